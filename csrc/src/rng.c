#include "status.h"

#include <stdalign.h>

#define WEYL UINT64_C(0x9E3779B97F4A7C15)

/* The finaliser of SplitMix64 (Steele, Lea & Flood 2014). */
static uint64_t mix(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

/*
 * Lane k of stream s is seeded like the Python package's photon number 8 s + k, whose streams are
 * told apart by their position in a SplitMix64 sequence. Where 8 s + k does not fit, the highest
 * bits of s choose another sequence.
 */
int mcp_rng_seed(mcp_rng *rng, uint64_t seed, uint64_t stream) {
    if (rng == NULL || (uintptr_t)rng % alignof(mcp_rng) != 0)
        return mcp_fail(MCP_ERROR_ARGUMENT, "rng is %s",
                        rng == NULL ? "NULL: give a mcp_rng" : "misaligned");
    const uint64_t highest = stream >> 60;
    uint64_t origin = mix(seed + WEYL);
    if (highest != 0)
        origin = mix(origin + highest * WEYL);
    for (uint64_t lane = 0; lane < 8; lane++) {
        const uint64_t position = origin + (8 * stream + lane) * (2 * WEYL);
        rng->state[lane] = mix(position + WEYL);
        rng->state[8 + lane] = mix(position + 2 * WEYL);
    }
    return MCP_OK;
}
