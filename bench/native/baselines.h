/*
 * What a code draws thermal electrons with when it has no libmcplugin: scalar C, one electron
 * after another. All use one xoroshiro128++ generator (Blackman & Vigna 2021, ACM TOMS 47, 36),
 * which they keep in registers, and libm.
 *
 * theta is one temperature for all n draws, or one per draw, as in mcplugin.h.
 */
#ifndef BASELINES_H
#define BASELINES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Exact rejection from a mixture of gamma distributions: Canfield, Howard & Liang (1987, ApJ 323,
 * 565) and Zenitani & Nakano (2022, Phys. Plasmas 29, 113904). Gamma variates of half-integer
 * shape are made from exponentials and half a squared normal number, which is drawn
 *   box_muller  with a logarithm and a cosine,
 *   polar       with a logarithm, from a point in the unit disc (Marsaglia),
 *   tuned       not at all: a gamma variate of shape 2 times the beta variate 1 - x² of a point in
 *               the disc has the shape 3/2, so that one logarithm does. Together with a squeeze
 *               this is the fastest form known to us.
 */
void baseline_canfield_box_muller(uint64_t state[2], size_t n, const double *theta, size_t n_theta,
                                  double *u);
void baseline_canfield_polar(uint64_t state[2], size_t n, const double *theta, size_t n_theta,
                             double *u);
void baseline_canfield_tuned(uint64_t state[2], size_t n, const double *theta, size_t n_theta,
                             double *u);
void baseline_zenitani_nakano_box_muller(uint64_t state[2], size_t n, const double *theta,
                                         size_t n_theta, double *u);
void baseline_zenitani_nakano_polar(uint64_t state[2], size_t n, const double *theta,
                                    size_t n_theta, double *u);
void baseline_zenitani_nakano_tuned(uint64_t state[2], size_t n, const double *theta,
                                    size_t n_theta, double *u);

/* Pozdnyakov, Sobol & Sunyaev (1983): hopeless below theta = 0.1. */
void baseline_sobol(uint64_t state[2], size_t n, const double *theta, size_t n_theta, double *u);

/* Linear interpolation between quantiles of equally spaced probabilities, at one temperature. */
typedef struct even_table {
    size_t intervals;
    const double *u; /* intervals + 1 */
} even_table;

void baseline_even_table(uint64_t state[2], size_t n, const even_table *table, double *u);

/*
 * The same where q, the smaller of p and 1 - p, has 2^bits intervals in each of the octaves from
 * 2^-30 to 1/2, so that both tails are resolved. Values for p come first, then those for 1 - p.
 */
typedef struct octave_table {
    int bits;
    const double *u; /* 2 (29 2^bits + 1) */
} octave_table;

void baseline_octave_table(uint64_t state[2], size_t n, const octave_table *table, double *u);

/*
 * Any temperature: rows of such tables, 2^theta_bits of them in each octave of theta, that hold u
 * over √(Θ(3 + 12Θ)); bilinear interpolation. Both indices are read off the leading bits of
 * doubles, which is nearly even in the logarithm and costs none.
 */
typedef struct surface_table {
    int theta_bits;
    int bits;
    double theta_lo; /* a power of 2 */
    const float *scaled_u;
} surface_table;

void baseline_surface_table(uint64_t state[2], size_t n, const surface_table *table,
                            const double *theta, size_t n_theta, double *u);

/* What the tables give for chosen probabilities: to measure how far off they are. */
void baseline_even_quantiles(const even_table *table, size_t n, const double *p, double *u);
void baseline_octave_quantiles(const octave_table *table, size_t n, const double *p, double *u);
void baseline_surface_quantiles(const surface_table *table, double theta, size_t n, const double *p,
                                double *u);

#endif
