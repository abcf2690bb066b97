/*
 * Fuzz target: weights of Compton events in their C form, from anywhere. Whatever the bytes are,
 * they are refused with a sentence, or give a sampler whose every event is a photon: of positive
 * energy, with a cosine from -1 to 1.
 *
 * As in fuzz_weights.c the bytes are tried as they are, and again put right.
 */
#include "c_form.h"
#include "expect.h"

#include <math.h>
#include <string.h>

#define HEADER 40
#define MOST_UNITS 32
#define MOST_CONDITIONING 8
#define LONGEST                                                                                    \
    (HEADER + TRAILER +                                                                            \
     8 * (3 + 2 * (MOST_CONDITIONING + 1) * (MOST_UNITS * (MOST_UNITS + 8) + 10)))

#define PHOTONS 40

typedef struct network_sizes {
    size_t units[3];
    size_t conditioning[2];
    size_t parameters[2];
} network_sizes;

/* Mostly few: the checksum of many takes longer than all the rest. */
static size_t between(uint8_t byte, size_t least, size_t most) {
    return least + byte % ((byte < 0xF0 ? 6 : most) + 1 - least);
}

static network_sizes sizes_in_header(const uint8_t *bytes) {
    network_sizes of = {
        .units = {between(bytes[12], 1, MOST_UNITS), between(bytes[16], 1, MOST_UNITS),
                  between(bytes[20], 0, MOST_UNITS)},
        .conditioning = {between(bytes[24], 1, MOST_CONDITIONING),
                         between(bytes[28], 1, MOST_CONDITIONING)},
    };
    const size_t first = of.units[1];
    const size_t second = of.units[2];
    of.parameters[0] = 6 * of.units[0] + 8;
    of.parameters[1] = second == 0 ? 7 * first + 9 : 6 * first + second * (first + 1) + second + 9;
    return of;
}

static double tamed(double value, double largest) {
    return isfinite(value) ? fmod(value, largest) : 0.0;
}

/* Numbers that a generator may have, of a size that the input chooses. */
static void tame(uint8_t *bytes, const network_sizes *of, double largest) {
    static double values[LONGEST / 8];
    size_t numbers = 3;
    for (size_t i = 0; i < 2; i++)
        numbers += (of->conditioning[i] + 1) * of->parameters[i] + of->conditioning[i];
    memcpy(values, bytes, numbers * sizeof *values);
    values[0] = fmax(fabs(tamed(values[0], 100.0)), 1e-4);
    values[1] = fmax(fabs(tamed(values[1], 100.0)), values[0]);
    values[2] = fmax(fabs(tamed(values[2], 100.0)), 1e-12);
    double *at = values + 3;
    for (size_t i = 0; i < 2; i++) {
        for (size_t left = (of->conditioning[i] + 1) * of->parameters[i]; left > 0; left--, at++)
            *at = tamed(*at, largest);
        for (size_t left = of->conditioning[i]; left > 0; left--, at++)
            *at = fmax(fabs(tamed(*at, 1e6)), 1e-12);
    }
    memcpy(bytes, values, numbers * sizeof *values);
}

static size_t repair(const uint8_t *data, size_t size, uint8_t *repaired) {
    static const double largest[] = {0.1, 1.0, 3.0, 50.0, 1e3, 1e5};
    memset(repaired, 0, HEADER);
    memcpy(repaired, data, size < HEADER ? size : HEADER);
    const network_sizes of = sizes_in_header(repaired);
    size_t length = HEADER + 8 * 3 + TRAILER;
    for (size_t i = 0; i < 2; i++)
        length += 8 * ((of.conditioning[i] + 1) * of.parameters[i] + of.conditioning[i]);
    memset(repaired, 0, length);
    memcpy(repaired, data, size < length ? size : length);
    if (repaired[32] % 4 != 0)
        tame(repaired + HEADER, &of, largest[repaired[33] % 6]);
    memcpy(repaired, "MCPEVT\r\n", 8);
    put_unsigned(repaired + 8, 1, 4);
    for (size_t i = 0; i < 3; i++)
        put_unsigned(repaired + 12 + 4 * i, of.units[i], 4);
    for (size_t i = 0; i < 2; i++)
        put_unsigned(repaired + 24 + 4 * i, of.conditioning[i], 4);
    put_unsigned(repaired + 32, length, 8);
    put_unsigned(repaired + length - TRAILER, crc32(repaired, length - TRAILER), 4);
    return length;
}

static void expect_photons(const double *x, const double *cosine, size_t count) {
    for (size_t i = 0; i < count; i++)
        EXPECT(isfinite(x[i]) && x[i] > 0.0 && fabs(cosine[i]) <= 1.0);
}

static void scatter(const mcp_sampler *sampler, const double *theta, size_t n_theta, double x_hi) {
    mcp_rng rng;
    uint64_t streams[2 * PHOTONS];
    double x[PHOTONS], v[PHOTONS], z[PHOTONS], x_out[PHOTONS], cosine[PHOTONS];
    EXPECT(mcp_rng_seed(&rng, 2, n_theta) == MCP_OK);
    for (size_t i = 0; i < 2 * PHOTONS; i++)
        streams[i] = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    for (size_t i = 0; i < PHOTONS; i++) {
        x[i] = i % 3 == 0 ? x_hi : x_hi * pow(10.0, -(double)(i * i) / 7.0);
        v[i] = i % 4 == 0 ? 0.0 : i % 4 == 1 ? 1.0 : pow(0.5, (double)i);
        z[i] = 12.0 * cos((double)i);
    }
    EXPECT(mcp_transform_event(sampler, PHOTONS, theta, n_theta, x, v, z, x_out, cosine) == MCP_OK);
    expect_photons(x_out, cosine, PHOTONS);
    x[5] = fmin(1.5 * x_hi, 20.0);
    EXPECT(mcp_scatter(sampler, &rng, PHOTONS, x, theta, n_theta, x_out, cosine) == MCP_OK);
    expect_photons(x_out, cosine, PHOTONS);
    EXPECT(mcp_scatter_streams(sampler, streams, PHOTONS, x, theta, n_theta, x_out, cosine) ==
           MCP_OK);
    expect_photons(x_out, cosine, PHOTONS);
}

static void try_weights(const uint8_t *bytes, size_t size) {
    mcp_sampler *sampler;
    double lo, hi, x_lo, x_hi, theta[PHOTONS];
    const int status =
        mcp_sampler_create_from_bytes("gan-event", bytes, size, MCP_TAIL_RADIUS, &sampler);
    if (status != MCP_OK) {
        EXPECT(status == MCP_ERROR_WEIGHTS && sampler == NULL && mcp_error_text()[0] != '\0');
        return;
    }
    EXPECT(sampler != NULL && mcp_sampler_theta_range(sampler, &lo, &hi) == MCP_OK);
    EXPECT(mcp_sampler_photon_range(sampler, &x_lo, &x_hi) == MCP_OK);
    EXPECT(lo >= 1e-4 && lo <= hi && hi <= 100.0 && x_lo > 0.0 && x_lo < x_hi && x_hi <= 100.0);
    for (size_t i = 0; i < PHOTONS; i++)
        theta[i] = fmin(lo * pow(hi / lo, (double)i / (PHOTONS - 1)), hi);
    scatter(sampler, theta, PHOTONS, x_hi);
    scatter(sampler, &hi, 1, x_hi);
    mcp_sampler_destroy(sampler);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    static uint8_t content[LONGEST];
    try_weights(data, size);
    const size_t length = repair(data, size, content);
    uint8_t *repaired = malloc(length);
    EXPECT(repaired != NULL);
    memcpy(repaired, content, length);
    try_weights(repaired, length);
    free(repaired);
    return 0;
}
