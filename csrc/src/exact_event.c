#include "exact_event.h"

/* ---- Klein and Nishina ---- */

/* Below this energy the closed form of the cross-section cancels and its series converges fast. */
#define SERIES_BELOW 0.15
/* Above this energy the flat-in-angle proposal is refused too often. */
#define LOGARITHMIC_ABOVE 0.7

/* Coefficients of σ/(¾(1 - y)) - 1 + y/2 in powers of y = 2x/(1 + 2x). */
#define TERM(n)                                                                                    \
    (1.0 / ((n) + 1.0) - 4.0 * ((n) + 1.0) / (((n) + 2.0) * ((n) + 3.0)) +                         \
     4.0 * (n) / (((n) + 1.0) * ((n) + 2.0)))

static const double series[] = {
    TERM(0),  TERM(1),  TERM(2),  TERM(3),  TERM(4),  TERM(5),  TERM(6),  TERM(7),
    TERM(8),  TERM(9),  TERM(10), TERM(11), TERM(12), TERM(13), TERM(14), TERM(15),
    TERM(16), TERM(17), TERM(18), TERM(19), TERM(20), TERM(21), TERM(22), TERM(23),
};

/* Of an electron at rest, over Thomson's. */
static double total_cross_section(double x) {
    const double one_plus_2x = 1.0 + 2.0 * x;
    if (x < SERIES_BELOW) {
        const double y = 2.0 * x / one_plus_2x;
        double total = 0.0;
        for (size_t n = sizeof series / sizeof series[0]; n-- > 0;)
            total = total * y + series[n];
        return 0.75 * (1.0 - y) * (1.0 - 0.5 * y + total);
    }
    const double logarithm = log1p(2.0 * x);
    return 0.75 * ((1.0 + x) / (x * x * x) * (2.0 * x * (1.0 + x) / one_plus_2x - logarithm) +
                   0.5 * logarithm / x - (1.0 + 3.0 * x) / (one_plus_2x * one_plus_2x));
}

/* With probability σ/σ_T, where 1/(1 + 2x) <= σ/σ_T <= (1 + 1.3x)/(1 + 2x). */
static int interacts(double x, generator_state random) {
    const double threshold = uniform(random);
    const double scaled = threshold * (1.0 + 2.0 * x);
    if (scaled <= 1.0)
        return 1;
    if (scaled > 1.0 + 1.3 * x)
        return 0;
    return threshold <= total_cross_section(x);
}

/*
 * w = 1 - cosine in the electron's rest frame: of soft photons proposed from k² with
 * k = 1/(1 + xw), of hard ones from 1/k + k (Butcher & Messel 1960, Nucl. Phys. 20, 15).
 */
static double draw_deflection(double x, generator_state random) {
    const double one_plus_2x = 1.0 + 2.0 * x;
    if (x < LOGARITHMIC_ABOVE) {
        const double bound = one_plus_2x + 1.0 / one_plus_2x;
        for (;;) {
            const double v = uniform(random);
            const double w = 2.0 * v / (one_plus_2x - 2.0 * x * v);
            const double inverse_k = 1.0 + x * w;
            if (uniform(random) * bound <= inverse_k + 1.0 / inverse_k - w * (2.0 - w))
                return w;
        }
    }
    const double lowest = 1.0 / one_plus_2x;
    const double log_weight = log(one_plus_2x);
    const double linear_weight = 0.5 * (1.0 - lowest * lowest);
    for (;;) {
        const int is_log = uniform(random) * (log_weight + linear_weight) < log_weight;
        const double place = uniform(random);
        const double k =
            is_log ? exp(-log_weight * place) : sqrt(lowest * lowest + 2.0 * linear_weight * place);
        const double w = fmin((1.0 - k) / (k * x), 2.0);
        if (uniform(random) <= 1.0 - k * w * (2.0 - w) / (1.0 + k * k))
            return w;
    }
}

/* ---- The event ---- */

/* Whether an electron of four-velocity u scatters the photon; then *after is what it becomes. */
static int scatter_off_electron(double x, double u, generator_state random, scattered *after) {
    const double gamma = sqrt(1.0 + u * u);
    const double doppler_max = gamma + u;
    const double doppler_min = 1.0 / doppler_max;
    /* The cdf of the angle at which they meet gives the Doppler factor γ(1 - βμ). */
    const double eta = uniform(random);
    const double doppler = sqrt(doppler_min * doppler_min + 4.0 * gamma * u * eta);
    const double x_rest = x * doppler;
    if (!interacts(x_rest, random))
        return 0;

    /* 1 - μ and 1 + μ of the incoming photon in the electron's rest frame, by aberration. */
    const double one_minus = 4.0 * gamma * eta * doppler_max / (doppler * (doppler + doppler_min));
    const double one_plus =
        4.0 * gamma * (1.0 - eta) * doppler_min / (doppler * (doppler + doppler_max));

    const double w = draw_deflection(x_rest, random);
    /* Twice the azimuth of a point in the disc is uniform, too. */
    const point_in_disc point = draw_point_in_disc(random);
    const double cosine_azimuth = (point.a * point.a - point.b * point.b) / point.square;
    /* 1 + μ' of the scattered photon in the rest frame. */
    const double across = sqrt(fmax(one_minus * one_plus * w * (2.0 - w), 0.0));
    const double one_plus_out =
        fmin(fmax(one_plus * (1.0 - w) + w + across * cosine_azimuth, 0.0), 2.0);
    const double doppler_out = doppler_min + u * one_plus_out;
    after->x = x_rest * doppler_out / (1.0 + x_rest * w);
    after->cosine = fmax(1.0 - w * doppler / doppler_out, -1.0);
    return 1;
}

scattered mcp_scatter_exactly(double x, const gamma_mixture *electrons, generator_state random) {
    scattered after;
    while (!scatter_off_electron(x, mcp_draw_gamma_mixture(electrons, random), random, &after))
        continue;
    return after;
}
