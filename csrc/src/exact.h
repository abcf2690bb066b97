/*
 * gan-exact: draws of the generator, accepted or refused against the exact density, so that what
 * is left is exact whatever the weights are.
 *
 * A latent radius r <= r_tail is a proposal of density χ₃(r); the exact density in terms of r is
 * f(u(r)) du/dr. Their ratio, known in closed form, is accepted with probability ratio/bound, where
 * the bound is the ratio's supremum, searched over r and a cell of temperatures when the sampler is
 * created. Beyond r_tail, where nothing would bound the ratio, the proposal is another one: an
 * exponential in the kinetic energy t = (γ - 1)/Θ, flat enough that its ratio has its maximum at a
 * known place.
 *
 * Below the squeeze, the infimum of ratio/bound, a proposal is accepted without a look at the
 * ratio: the usual case.
 */
#ifndef MCP_EXACT_H
#define MCP_EXACT_H

#include "generator.h"
#include "random.h"

#include <string.h>

/* Four cells an octave; weights are for theta = 1e-6 to 1e6 at most. */
#define MCP_CELL_SHIFT 50
#define MCP_MAX_CELLS 168

typedef struct exact_envelope {
    double tail_radius;
    uint64_t first_cell;
    double bound[MCP_MAX_CELLS];
    double squeeze[MCP_MAX_CELLS];
} exact_envelope;

typedef struct proposal {
    double radius_square;
    double u;
    double threshold; /* uniform on (0, 1) */
} proposal;

/* The leading bits of a positive double grow in steps of a quarter of its power of two. */
static inline uint64_t mcp_leading_bits(double theta) {
    uint64_t bits;
    memcpy(&bits, &theta, sizeof bits);
    return bits >> MCP_CELL_SHIFT;
}

static inline size_t mcp_cell(const exact_envelope *envelope, double theta) {
    return (size_t)(mcp_leading_bits(theta) - envelope->first_cell);
}

/* Returns a mcp_status: a map that falls somewhere, or is too rough to be bounded, is refused. */
int mcp_envelope_build(exact_envelope *envelope, const thermal_map *map, double tail_radius,
                       const char *name);

/* Decide on a proposal, and make new ones until one is accepted: gives its u. */
double mcp_settle(const exact_envelope *envelope, const folded_map *folded, proposal candidate,
                  generator_state random);

/* Share of proposals that are accepted at one temperature, by quadrature. */
double mcp_exact_acceptance(const exact_envelope *envelope, const folded_map *folded);

#endif
