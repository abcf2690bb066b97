#include "baselines.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define SQRT_PI 1.77245385090551602730

/* ---- Random numbers ---- */

typedef struct stream {
    uint64_t first;
    uint64_t second;
} stream;

static inline uint64_t rotate_left(uint64_t bits, int places) {
    return (bits << places) | (bits >> (64 - places));
}

static inline uint64_t next_bits(stream *random) {
    const uint64_t first = random->first;
    uint64_t second = random->second;
    const uint64_t bits = rotate_left(first + second, 17) + first;
    second ^= first;
    random->first = rotate_left(first, 49) ^ second ^ (second << 21);
    random->second = rotate_left(second, 28);
    return bits;
}

/* A uniform number on the open interval (0, 1): an odd multiple of 2^-53. */
static inline double uniform(stream *random) {
    return ((double)(int64_t)(next_bits(random) >> 12) + 0.5) * 0x1p-52;
}

/* The first coordinate of a point in the unit disc, and its distance from the centre, squared. */
static inline double point_in_disc(stream *random, double *square) {
    for (;;) {
        const double a = 2.0 * uniform(random) - 1.0;
        const double b = 2.0 * uniform(random) - 1.0;
        *square = a * a + b * b;
        if (*square < 1.0)
            return a;
    }
}

/* ---- Gamma variates ---- */

typedef enum normal_method { BOX_MULLER, POLAR, TUNED } normal_method;

static inline double normal(normal_method method, stream *random) {
    if (method == BOX_MULLER) {
        const double radius = sqrt(-2.0 * log(uniform(random)));
        return radius * cos(2.0 * PI * uniform(random));
    }
    double square;
    const double a = point_in_disc(random, &square);
    return a * sqrt(-2.0 * log(square) / square);
}

static inline double product_of_uniforms(int count, stream *random) {
    double product = uniform(random);
    for (int i = 1; i < count; i++)
        product *= uniform(random);
    return product;
}

/* A gamma variate of the given number of halves: half a χ² of as many degrees of freedom. */
static inline double gamma_of_halves(int halves, normal_method method, stream *random) {
    if (halves % 2 == 0)
        return -log(product_of_uniforms(halves / 2, random));
    if (method != TUNED) {
        const double half_root = normal(method, random);
        return 0.5 * half_root * half_root - log(product_of_uniforms(halves / 2, random));
    }
    double square;
    const double a = point_in_disc(random, &square);
    double t = -log(product_of_uniforms(2, random)) * (1.0 - a * a);
    if (halves == 5)
        t -= log(uniform(random));
    return t;
}

/* ---- Rejection from a mixture of them ---- */

/*
 * With t = (γ-1)/Θ and y = Θt the density is t^½ (1 + y) √(1 + y/2) exp(-t), and the envelope
 * t^½ (1 + a√(y/2) + by + y^(3/2)/√2) exp(-t). Below the squeeze a uniform number is less than
 * density over envelope anywhere.
 */
typedef struct envelope {
    double a;
    double b;
    double squeeze;
} envelope;

/* a = b = 1 is √(1 + y/2) <= 1 + √(y/2), multiplied out; the tuned form adds the squeeze. */
static const envelope canfield = {1.0, 1.0, 0.0};
static const envelope canfield_squeezed = {1.0, 1.0, 0.707106781186547524};
static const envelope zenitani_nakano = {0.56, 0.35, 0.95};

/* Cumulative weights of the envelope's four terms at one temperature. */
typedef struct weights {
    double theta;
    double up_to_3;
    double up_to_4;
    double up_to_5;
    double total;
} weights;

static inline weights weights_at(double theta, envelope above) {
    weights of = {.theta = theta};
    of.up_to_3 = 0.5 * SQRT_PI;
    of.up_to_4 = of.up_to_3 + above.a * sqrt(0.5 * theta);
    of.up_to_5 = of.up_to_4 + 0.75 * SQRT_PI * above.b * theta;
    of.total = of.up_to_5 + sqrt(2.0) * theta * sqrt(theta);
    return of;
}

static inline double mixture_electron(const weights *of, envelope above, normal_method method,
                                      stream *random) {
    for (;;) {
        const double choice = uniform(random) * of->total;
        double t;
        if (choice < of->up_to_3)
            t = gamma_of_halves(3, method, random);
        else if (choice < of->up_to_4)
            t = gamma_of_halves(4, method, random);
        else if (choice < of->up_to_5)
            t = gamma_of_halves(5, method, random);
        else
            t = gamma_of_halves(6, method, random);

        const double y = of->theta * t;
        const double threshold = uniform(random);
        const double root = sqrt(0.5 * y);
        if (threshold <= above.squeeze ||
            threshold * (1.0 + above.a * root + above.b * y + y * root) <=
                (1.0 + y) * sqrt(1.0 + 0.5 * y))
            return sqrt(y * (y + 2.0));
    }
}

static inline void draw_from_mixture(envelope above, normal_method method, uint64_t state[2],
                                     size_t n, const double *theta, size_t n_theta, double *u) {
    weights of = weights_at(theta[0], above);
    stream random = {state[0], state[1]};
    for (size_t i = 0; i < n; i++) {
        if (n_theta > 1)
            of = weights_at(theta[i], above);
        u[i] = mixture_electron(&of, above, method, &random);
    }
    state[0] = random.first;
    state[1] = random.second;
}

#define MIXTURE_BASELINE(name, above, method)                                                      \
    void name(uint64_t state[2], size_t n, const double *theta, size_t n_theta, double *u) {       \
        draw_from_mixture(above, method, state, n, theta, n_theta, u);                             \
    }

MIXTURE_BASELINE(baseline_canfield_box_muller, canfield, BOX_MULLER)
MIXTURE_BASELINE(baseline_canfield_polar, canfield, POLAR)
MIXTURE_BASELINE(baseline_canfield_tuned, canfield_squeezed, TUNED)
MIXTURE_BASELINE(baseline_zenitani_nakano_box_muller, zenitani_nakano, BOX_MULLER)
MIXTURE_BASELINE(baseline_zenitani_nakano_polar, zenitani_nakano, POLAR)
MIXTURE_BASELINE(baseline_zenitani_nakano_tuned, zenitani_nakano, TUNED)

/* ---- Rejection from the ultrarelativistic limit ---- */

/* Draw n electrons with the generator in registers, each by an expression of random and i. */
#define DRAW_ALL(electron)                                                                         \
    do {                                                                                           \
        stream random = {state[0], state[1]};                                                      \
        for (size_t i = 0; i < n; i++)                                                             \
            u[i] = (electron);                                                                     \
        state[0] = random.first;                                                                   \
        state[1] = random.second;                                                                  \
    } while (0)

static inline double sobol_electron(double theta, stream *random) {
    for (;;) {
        const double u = -theta * log(product_of_uniforms(3, random));
        const double eta = u - theta * log(uniform(random));
        if ((eta - u) * (eta + u) > 1.0)
            return u;
    }
}

void baseline_sobol(uint64_t state[2], size_t n, const double *theta, size_t n_theta, double *u) {
    DRAW_ALL(sobol_electron(theta[n_theta == 1 ? 0 : i], &random));
}

/* ---- Tables ---- */

static inline double even_quantile(const even_table *table, double p) {
    const double position = p * (double)table->intervals;
    const size_t below = (size_t)position;
    const double *u = table->u + below;
    return u[0] + (position - (double)below) * (u[1] - u[0]);
}

void baseline_even_table(uint64_t state[2], size_t n, const even_table *table, double *u) {
    const even_table own = *table;
    DRAW_ALL(even_quantile(&own, uniform(&random)));
}

void baseline_even_quantiles(const even_table *table, size_t n, const double *p, double *u) {
    for (size_t i = 0; i < n; i++)
        u[i] = even_quantile(table, p[i]);
}

/* The last octave in which q is resolved; what is rarer is put at the end. */
#define LEAST_Q 0x1p-30
#define OCTAVES 29

/* An interval with 2^bits of its kind in an octave, counted from start = 2^k, and the place in it.
 */
static inline size_t interval_of(double x, double start, int bits, double *place) {
    uint64_t word, first;
    memcpy(&word, &x, sizeof word);
    memcpy(&first, &start, sizeof first);
    const uint64_t within =
        (word << bits & UINT64_C(0xFFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000);
    memcpy(place, &within, sizeof within);
    *place -= 1.0;
    return (size_t)((word >> (52 - bits)) - (first >> (52 - bits)));
}

/* q = min(p, 1 - p), and in which half of a row its quantile is. */
typedef struct side {
    double q;
    size_t half;
} side;

static inline side random_side(stream *random) {
    const uint64_t bits = next_bits(random);
    const double q = ((double)(int64_t)(bits << 1 >> 12) + 0.5) * 0x1p-53;
    return (side){q > LEAST_Q ? q : LEAST_Q, (size_t)(bits >> 63)};
}

static inline side side_of(double p) {
    const double q = p <= 0.5 ? p : 1.0 - p;
    return (side){q > LEAST_Q ? q : LEAST_Q, p > 0.5};
}

static inline size_t half_row(int bits) { return ((size_t)OCTAVES << bits) + 1; }

static inline double octave_quantile(const octave_table *table, side at) {
    double place;
    const size_t interval = interval_of(at.q, LEAST_Q, table->bits, &place);
    const double *u = table->u + at.half * half_row(table->bits) + interval;
    return u[0] + place * (u[1] - u[0]);
}

void baseline_octave_table(uint64_t state[2], size_t n, const octave_table *table, double *u) {
    const octave_table own = *table;
    DRAW_ALL(octave_quantile(&own, random_side(&random)));
}

void baseline_octave_quantiles(const octave_table *table, size_t n, const double *p, double *u) {
    for (size_t i = 0; i < n; i++)
        u[i] = octave_quantile(table, side_of(p[i]));
}

static inline double surface_quantile(const surface_table *table, double theta, side at) {
    double place, row_place;
    const size_t row = interval_of(theta, table->theta_lo, table->theta_bits, &row_place);
    const size_t interval = interval_of(at.q, LEAST_Q, table->bits, &place);
    const size_t length = 2 * half_row(table->bits);
    const float *below = table->scaled_u + row * length + at.half * (length / 2) + interval;
    const float *above = below + length;
    const double low = below[0] + place * (below[1] - below[0]);
    const double high = above[0] + place * (above[1] - above[0]);
    return sqrt(theta * (3.0 + 12.0 * theta)) * (low + row_place * (high - low));
}

void baseline_surface_table(uint64_t state[2], size_t n, const surface_table *table,
                            const double *theta, size_t n_theta, double *u) {
    const surface_table own = *table;
    DRAW_ALL(surface_quantile(&own, theta[n_theta == 1 ? 0 : i], random_side(&random)));
}

void baseline_surface_quantiles(const surface_table *table, double theta, size_t n, const double *p,
                                double *u) {
    for (size_t i = 0; i < n; i++)
        u[i] = surface_quantile(table, theta, side_of(p[i]));
}
