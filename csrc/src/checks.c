#include "checks.h"
#include "exact_event.h"
#include "status.h"

#include <stdalign.h>
#include <string.h>

int mcp_check_sampler(const mcp_sampler *sampler) {
    return sampler != NULL && (uintptr_t)sampler % alignof(mcp_sampler) == 0 &&
                   sampler->life == MCP_ALIVE
               ? MCP_OK
               : mcp_fail(MCP_ERROR_HANDLE,
                          "this is no sampler: it is NULL, was destroyed or never created");
}

static int overlap(const void *one, size_t one_size, const void *other, size_t other_size) {
    const uintptr_t a = (uintptr_t)one;
    const uintptr_t b = (uintptr_t)other;
    return one_size > 0 && other_size > 0 && a < b + other_size && b < a + one_size;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

size_t mcp_first_outside(const double *values, size_t n, double lo, double hi) {
    /*
     * Positive doubles are ordered like their bits, so a difference of bits becomes negative where
     * one is below lo or above hi; and where it is negative, infinite or NaN.
     */
    uint64_t outside = 0;
    for (size_t i = 0; i < n; i++)
        outside |= (bits_of(values[i]) - bits_of(lo)) | (bits_of(hi) - bits_of(values[i]));
    if (outside >> 63 == 0)
        return n;
    size_t i = 0;
    while (i + 1 < n && values[i] >= lo && values[i] <= hi)
        i++;
    return i;
}

int mcp_check_theta(const mcp_sampler *sampler, const double *theta, size_t n_theta) {
    const size_t i = mcp_first_outside(theta, n_theta, sampler->theta_lo, sampler->theta_hi);
    return i == n_theta
               ? MCP_OK
               : mcp_fail(MCP_ERROR_THETA,
                          "theta[%zu] = %g is outside %g to %g, where this sampler is valid: theta "
                          "is kT/(m_e c^2), 1 for 511 keV",
                          i, theta[i], sampler->theta_lo, sampler->theta_hi);
}

int mcp_check_photons(const double *x, size_t n, double highest) {
    const size_t i = mcp_first_outside(x, n, MCP_PHOTON_LO, highest);
    return i == n ? MCP_OK
                  : mcp_fail(MCP_ERROR_PHOTON,
                             "x[%zu] = %g is not a photon energy within %g to %g: x is "
                             "h nu/(m_e c^2), 1 for 511 keV",
                             i, x[i], MCP_PHOTON_LO, highest);
}

static int gives_events(const mcp_sampler *sampler) {
    return sampler->kind == GAN_EVENT || sampler->kind == EXACT_EVENT;
}

int mcp_check_scatters(const mcp_sampler *sampler) {
    return gives_events(sampler)
               ? MCP_OK
               : mcp_fail(MCP_ERROR_UNSUPPORTED,
                          "this sampler draws electrons, not Compton events: create \"gan-event\" "
                          "or \"exact-event\"");
}

int mcp_check_gives_electrons(const mcp_sampler *sampler) {
    return gives_events(sampler)
               ? mcp_fail(MCP_ERROR_UNSUPPORTED,
                          "this sampler scatters photons by mcp_scatter and gives no electrons: "
                          "create \"gan\", \"gan-exact\" or \"rejection\"")
               : MCP_OK;
}

/* Arrays are present and aligned, and none that is written overlaps another one. */
static int check_spans(const span *spans, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (spans[i].start == NULL && spans[i].count > 0)
            return mcp_fail(MCP_ERROR_ARGUMENT, "%s is NULL", spans[i].name);
        if ((uintptr_t)spans[i].start % alignof(double) != 0)
            return mcp_fail(MCP_ERROR_ARGUMENT, "%s is not aligned to %zu bytes", spans[i].name,
                            alignof(double));
        for (size_t j = 0; j < i; j++)
            if ((spans[i].is_written || spans[j].is_written) &&
                overlap(spans[i].start, 8 * spans[i].count, spans[j].start, 8 * spans[j].count))
                return mcp_fail(MCP_ERROR_ARGUMENT, "%s and %s overlap: give arrays of their own",
                                spans[j].name, spans[i].name);
    }
    return MCP_OK;
}

static int check_sizes(size_t n, size_t n_theta) {
    if (n > SIZE_MAX / 64)
        return mcp_fail(MCP_ERROR_ARGUMENT, "n = %zu is more than fits into memory", n);
    if (n_theta != 1 && n_theta != n)
        return mcp_fail(MCP_ERROR_ARGUMENT,
                        "n_theta = %zu is neither 1 nor n = %zu: give one temperature, or one per "
                        "draw",
                        n_theta, n);
    return MCP_OK;
}

int mcp_check_call(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                   const span *spans, size_t count) {
    int status = mcp_check_sampler(sampler);
    if (status == MCP_OK)
        status = check_sizes(n, n_theta);
    if (status == MCP_OK)
        status = check_spans(spans, count);
    return status == MCP_OK && n > 0 ? mcp_check_theta(sampler, theta, n_theta) : status;
}

int mcp_check_rng(const mcp_rng *rng) {
    for (size_t lane = 0; lane < 8; lane++)
        if (rng->state[lane] == 0 && rng->state[8 + lane] == 0)
            return mcp_fail(MCP_ERROR_RNG,
                            "the random state was never seeded: call mcp_rng_seed first");
    return MCP_OK;
}

int mcp_check_streams(const uint64_t *streams, size_t n) {
    uint64_t stuck = 0;
    for (size_t i = 0; i < n; i++)
        stuck |= (streams[2 * i] | streams[2 * i + 1]) == 0;
    return stuck == 0
               ? MCP_OK
               : mcp_fail(MCP_ERROR_RNG, "a random stream was never seeded: it is all zeros");
}
