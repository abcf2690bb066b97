/*
 * With t = (γ-1)/Θ and y = Θt the density of t is proportional to t^½ (1 + y) √(1 + y/2) exp(-t),
 * bounded by t^½ (1 + a√(y/2) + by + y^(3/2)/√2) exp(-t): a mixture of gamma distributions of
 * shapes 3/2, 2, 5/2 and 3. The choice a = 0.56, b = 0.35 accepts 96-99 % at any temperature.
 */
#include "rejection.h"

#define SQRT_PI 1.77245385090551602730
#define A 0.56
#define B 0.35
/* A lower bound of density over envelope. */
#define SQUEEZE 0.95

gamma_mixture mcp_gamma_mixture(double theta) {
    gamma_mixture mixture = {.theta = theta};
    mixture.up_to_shape_3_2 = 0.5 * SQRT_PI;
    mixture.up_to_shape_2 = mixture.up_to_shape_3_2 + A * sqrt(0.5 * theta);
    mixture.up_to_shape_5_2 = mixture.up_to_shape_2 + 0.75 * SQRT_PI * B * theta;
    mixture.total = mixture.up_to_shape_5_2 + sqrt(2.0) * theta * sqrt(theta);
    return mixture;
}

double mcp_draw_gamma_mixture(const gamma_mixture *mixture, generator_state random) {
    for (;;) {
        const double choice = uniform(random) * mixture->total;
        const int is_half_integer =
            choice < mixture->up_to_shape_3_2 ||
            (choice >= mixture->up_to_shape_2 && choice < mixture->up_to_shape_5_2);
        double t;
        if (is_half_integer) {
            /*
             * A gamma of shape 2, -ln(U₁U₂), times a beta of shapes (3/2, 1/2), 1 - a² for a
             * coordinate a of a point in the unit disc, is one of shape 3/2.
             */
            const double a = draw_point_in_disc(random).a;
            t = -log(uniform(random) * uniform(random)) * (1.0 - a * a);
            if (choice >= mixture->up_to_shape_3_2)
                t -= log(uniform(random));
        } else {
            double product = uniform(random) * uniform(random);
            if (choice >= mixture->up_to_shape_5_2)
                product *= uniform(random);
            t = -log(product);
        }

        const double y = mixture->theta * t;
        const double threshold = uniform(random);
        int accepted = threshold <= SQUEEZE;
        if (!accepted) {
            const double root = sqrt(0.5 * y);
            const double envelope = 1.0 + A * root + B * y + y * root;
            accepted = threshold * envelope <= (1.0 + y) * sqrt(1.0 + 0.5 * y);
        }
        if (accepted)
            return sqrt(y * (y + 2.0));
    }
}

/* ∫ t^½ (1 + y) √(1 + y/2) exp(-t) dt over that of the envelope, the first by quadrature. */
double mcp_rejection_acceptance(double theta) {
    /* With t = s² the integrand is smooth and vanishes, with all derivatives, at s = 8. */
    const int intervals = 256;
    const double step = 8.0 / intervals;
    double sum = 0.0;
    for (int k = 1; k < intervals; k++) {
        const double t = (k * step) * (k * step);
        const double y = theta * t;
        sum += 2.0 * t * (1.0 + y) * sqrt(1.0 + 0.5 * y) * exp(-t);
    }
    return sum * step / mcp_gamma_mixture(theta).total;
}
