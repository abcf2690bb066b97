/*
 * Fuzz target: weights in their C form, from anywhere. Whatever the bytes are, they are refused
 * with a sentence, or give a sampler whose every draw is a four-velocity: finite and not negative.
 *
 * The bytes are tried as they are, and again with header, length and CRC-32 put right, since
 * no fuzzer guesses a checksum. To fuzz for ten minutes with clang's libFuzzer, on one core:
 *
 *   MCPLUGIN_FUZZ_SECONDS=600 python -m pytest -s tests/native/test_sanitizers.py \
 *       -k 'fuzzing and weights'
 *
 * Without the variable, and with gcc alone (replay.c), the tests run what is in corpus/.
 */
#include "c_form.h"
#include "expect.h"

#include <math.h>
#include <string.h>

#define HEADER 32
#define MOST_UNITS 64
#define MOST_CONDITIONING 16
#define LONGEST                                                                                    \
    (HEADER + TRAILER +                                                                            \
     8 * (2 + (MOST_CONDITIONING + 1) * (3 * MOST_UNITS + 1) + MOST_CONDITIONING))

#define DRAWS 300
#define FEW_DRAWS 40

/* Drawing with fewer accepted takes too long for a fuzzer. */
#define ENOUGH_ACCEPTED 0.01

/* Numbers that a generator may have, however far from a trained one: all draws must cope. */
static void tame(uint8_t *bytes, size_t numbers, size_t conditioning) {
    double values[(LONGEST - HEADER - TRAILER) / 8];
    memcpy(values, bytes, numbers * sizeof *values);
    for (size_t i = 0; i < numbers; i++) {
        values[i] = isfinite(values[i]) ? fmod(values[i], 1e6) : 0.0;
        if (i < 2)
            values[i] = fmax(fabs(values[i]), i == 0 ? 1e-6 : values[0]);
        else if (i >= numbers - conditioning)
            values[i] = fmax(fabs(values[i]), 1e-12);
    }
    memcpy(bytes, values, numbers * sizeof *values);
}

/*
 * The same numbers in a file without an error in its form, and for half of all inputs without an
 * impossible number: gives its size.
 */
static size_t repair(const uint8_t *data, size_t size, uint8_t *repaired) {
    memset(repaired, 0, LONGEST);
    memcpy(repaired, data, size < LONGEST ? size : LONGEST);
    const size_t units = repaired[12] == 0 ? 1 : (repaired[12] - 1U) % MOST_UNITS + 1;
    const size_t conditioning = repaired[16] == 0 ? 1 : (repaired[16] - 1U) % MOST_CONDITIONING + 1;
    const size_t numbers = 2 + (conditioning + 1) * (3 * units + 1) + conditioning;
    const size_t length = HEADER + 8 * numbers + TRAILER;
    if (repaired[20] % 2 == 1)
        tame(repaired + HEADER, numbers, conditioning);
    memcpy(repaired, "MCPGAN\r\n", 8);
    put_unsigned(repaired + 8, 1, 4);
    put_unsigned(repaired + 12, units, 4);
    put_unsigned(repaired + 16, conditioning, 4);
    put_unsigned(repaired + 20, 0, 4);
    put_unsigned(repaired + 24, length, 8);
    put_unsigned(repaired + length - TRAILER, crc32(repaired, length - TRAILER), 4);
    return length;
}

static void expect_finite(const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        EXPECT(isfinite(values[i]));
}

static void expect_four_velocities(const double *u, size_t count) {
    for (size_t i = 0; i < count; i++)
        EXPECT(isfinite(u[i]) && u[i] >= 0.0);
}

static void draw(const mcp_sampler *sampler, const double *theta, size_t n_theta, size_t n) {
    mcp_rng rng;
    uint64_t streams[2 * DRAWS];
    double u[DRAWS];
    double u3[3 * DRAWS];
    EXPECT(mcp_rng_seed(&rng, 1, n_theta) == MCP_OK);
    for (size_t i = 0; i < 2 * n; i++)
        streams[i] = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    EXPECT(mcp_sample_four_velocity(sampler, &rng, n, theta, n_theta, u) == MCP_OK);
    expect_four_velocities(u, n);
    EXPECT(mcp_sample_streams(sampler, streams, n, theta, n_theta, u) == MCP_OK);
    expect_four_velocities(u, n);
    EXPECT(mcp_sample_four_velocity_vector(sampler, &rng, n, theta, n_theta, u3) == MCP_OK);
    expect_finite(u3, 3 * n);
}

/* Latents as large and as small as they may be. */
static void transform(const mcp_sampler *sampler, double theta) {
    static const double radius[] = {0.0, 5e-324, 1e-160, 1e-20, 0.1, 1.0, 3.0, 6.5, 40.0, 1e3, 1e6};
    enum { COUNT = sizeof radius / sizeof radius[0] };
    double z3[3 * COUNT] = {0.0};
    double u3[3 * COUNT];
    double u[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        z3[3 * i + i % 3] = i % 2 == 0 ? radius[i] : -radius[i];
    EXPECT(mcp_transform(sampler, COUNT, &theta, 1, z3, u3) == MCP_OK);
    expect_finite(u3, 3 * COUNT);
    EXPECT(mcp_transform_radius(sampler, COUNT, &theta, 1, radius, u) == MCP_OK);
    expect_four_velocities(u, COUNT);
}

static void use(const mcp_sampler *sampler, int exact) {
    double lo, hi;
    EXPECT(mcp_sampler_theta_range(sampler, &lo, &hi) == MCP_OK);
    EXPECT(lo > 0.0 && lo <= hi && isfinite(hi));
    double theta[FEW_DRAWS];
    double least_accepted = 1.0;
    for (size_t i = 0; i < FEW_DRAWS; i++)
        theta[i] = fmin(lo * pow(hi / lo, (double)i / (FEW_DRAWS - 1)), hi);
    for (size_t i = 0; i < FEW_DRAWS; i += 13) {
        double acceptance;
        EXPECT(mcp_sampler_acceptance(sampler, theta[i], &acceptance) == MCP_OK);
        EXPECT(acceptance > 0.0 && acceptance < 1.0 + 1e-6);
        least_accepted = fmin(least_accepted, acceptance);
    }
    if (least_accepted < ENOUGH_ACCEPTED)
        return;
    const size_t n = exact ? FEW_DRAWS : DRAWS;
    draw(sampler, theta, FEW_DRAWS, FEW_DRAWS);
    draw(sampler, &lo, 1, n);
    draw(sampler, &hi, 1, FEW_DRAWS);
    if (exact)
        return;
    transform(sampler, lo);
    transform(sampler, hi);
}

/* Gives whether the bytes were accepted. */
static int try_weights(const char *spec, const uint8_t *bytes, size_t size, double tail_radius) {
    mcp_sampler *sampler;
    const int status = mcp_sampler_create_from_bytes(spec, bytes, size, tail_radius, &sampler);
    if (status != MCP_OK) {
        EXPECT(status == MCP_ERROR_WEIGHTS && sampler == NULL && mcp_error_text()[0] != '\0');
        return 0;
    }
    EXPECT(sampler != NULL);
    use(sampler, strcmp(spec, "gan-exact") == 0);
    mcp_sampler_destroy(sampler);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    try_weights("gan", data, size, MCP_TAIL_RADIUS);
    uint8_t content[LONGEST];
    const size_t length = repair(data, size, content);
    uint8_t *repaired = malloc(length);
    EXPECT(repaired != NULL);
    memcpy(repaired, content, length);
    if (try_weights("gan", repaired, length, MCP_TAIL_RADIUS)) {
        /* An envelope over many temperatures takes long: most inputs are given few. */
        const uint32_t chance = crc32(repaired, length - TRAILER);
        double range[2];
        memcpy(range, repaired + HEADER, sizeof range);
        if (chance % 256 != 0)
            range[1] = fmin(range[1], 1.1 * range[0]);
        memcpy(repaired + HEADER, range, sizeof range);
        put_unsigned(repaired + length - TRAILER, crc32(repaired, length - TRAILER), 4);
        try_weights("gan-exact", repaired, length, chance & 0x100 ? MCP_TAIL_RADIUS : 2.0);
    }
    free(repaired);
    return 0;
}
