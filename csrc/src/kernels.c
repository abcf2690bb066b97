#include "kernels.h"
#include "lanes.h"

#include <math.h>

#define PASTE_NAMES(first, second) first##second
#define PASTE(first, second) PASTE_NAMES(first, second)
#define QUOTE_NAME(name) #name
#define QUOTE(name) QUOTE_NAME(name)

/* ---- Latents ---- */

/*
 * r² of a 3-D standard normal. r²/2 has the gamma distribution of shape 3/2: a gamma of shape 2,
 * -ln(U₁U₂), times a beta of shapes (3/2, 1/2), which is 1 - x² for the coordinate x of a point in
 * the unit disc: with V = 1 - (radius of the point)² uniform, 1 - x² = V + (1 - V) sin²(azimuth),
 * a sum of positive terms. Two words give 40 bits for each U and 24 for V and the azimuth.
 */
static inline doubles radius_square(generators *lanes) {
    const words one = next_bits(lanes);
    const words two = next_bits(lanes);
    const doubles twice_gamma =
        minus_twice_log(uniforms_from(one >> 12, 40, 0.0) * uniforms_from(two >> 12, 40, 0.0));
    /* The lowest 24 bits as they stand: 2^28 plus multiples of 2^-24. */
    const doubles from_2_to_28 = (doubles)((one & 0xFFFFFF) | UINT64_C(0x41B0000000000000));
    const doubles v = from_2_to_28 - (0x1p28 - 0x1p-25);
    const doubles azimuth = uniforms_from(two << 28, 24, 0.5);
    return twice_gamma * (v + (1.0 - v) * sine_square(azimuth));
}

static void draw_radii(uint64_t state[16], size_t count, draw_block *block) {
    for (size_t lane = 0; lane < 8; lane += MCP_LANES) {
        generators lanes = {load_words(&state[lane]), load_words(&state[8 + lane])};
        for (size_t row = 0; row < count; row += 8)
            store_doubles(&block->radius_square[row + lane], radius_square(&lanes));
        store_words(&state[lane], lanes.first);
        store_words(&state[8 + lane], lanes.second);
    }
}

static void draw_radii_from_streams(uint64_t *streams, size_t count, draw_block *block) {
    FOR_STREAMS(streams, count, lanes, i,
                store_doubles(&block->radius_square[i], radius_square(&lanes)));
}

/* ---- Uniform numbers, for those who accept or refuse ---- */

static void draw_uniforms(uint64_t state[16], size_t count, double *drawn) {
    for (size_t lane = 0; lane < 8; lane += MCP_LANES) {
        generators lanes = {load_words(&state[lane]), load_words(&state[8 + lane])};
        for (size_t row = 0; row < count; row += 8)
            store_doubles(&drawn[row + lane], uniforms(next_bits(&lanes)));
        store_words(&state[lane], lanes.first);
        store_words(&state[8 + lane], lanes.second);
    }
}

static void draw_uniforms_from_streams(uint64_t *streams, size_t count, double *drawn) {
    FOR_STREAMS(streams, count, lanes, i, store_doubles(&drawn[i], uniforms(next_bits(&lanes))));
}

static void mark_above(const double *threshold, const double *radius_square, size_t count,
                       double squeeze, double tail_square, unsigned char *marks) {
    for (size_t i = 0; i < count; i++)
        marks[i] = (threshold[i] > squeeze) | (radius_square[i] > tail_square);
}

/* ---- The generator ---- */

/* v a/√(1 + a²) with a = s r + o: what one hidden unit adds to M. */
static inline floats unit(floats radius, floats s, floats o, floats v) {
    const floats a = radius * s + o;
    return v * (a * inverse_root(1.0F + a * a));
}

/* u = √(Θ r² (1 + Θ (r²/4 + M²))) for a register of floats M. */
static inline void store_four_velocity(draw_block *block, size_t i, floats m,
                                       const double theta[MCP_FLOAT_LANES]) {
    float learned[MCP_FLOAT_LANES];
    store_floats(learned, m);
    for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++) {
        const double square = block->radius_square[i + lane];
        const double m_square = (double)learned[lane] * learned[lane];
        block->u[i + lane] =
            sqrt(theta[lane] * square * (1.0 + theta[lane] * (0.25 * square + m_square)));
    }
}

/*
 * The maps below work in passes in which registers are independent of each other: what M needs, M,
 * and u. The last one is part of the loop of M, but a register behind: its square roots take long
 * and leave the processor free for the next units. Blocks have at least one draw.
 */
static inline void latent_radii(draw_block *block, size_t count, float *radius) {
    /* Up to the end of a full register there must be numbers, too. */
    for (size_t i = count; i % MCP_FLOAT_LANES != 0; i++)
        block->radius_square[i] = 1.0;
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES)
        for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
            radius[i + lane] = (float)block->radius_square[i + lane];
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES) {
        const floats square = load_floats(&radius[i]);
        store_floats(&radius[i], square * inverse_root(square));
    }
}

static inline floats parameter(const thermal_map *map, size_t j, const floats *saturation,
                               size_t conditioning) {
    floats value = every_float(map->base_single[j]);
    for (size_t k = 0; k < conditioning; k++)
        value += saturation[k] * map->modulation_single[j][k];
    return value;
}

static inline floats saturation_of(const thermal_map *map, size_t k, floats theta) {
    return theta / (theta + map->theta_scale_single[k]);
}

/* In the very arithmetic of map_each_theta, so that equal temperatures give equal bits. */
static void fold(const thermal_map *map, double theta, folded_map *folded) {
    folded->units = map->units;
    folded->theta = theta;
    floats saturation[MCP_MAX_CONDITIONING];
    for (size_t k = 0; k < map->conditioning; k++)
        saturation[k] = saturation_of(map, k, every_float((float)theta));
    for (size_t j = 0; j < 3 * map->units + 1; j++)
        folded->single[j] = parameter(map, j, saturation, map->conditioning)[0];
}

static void map(const folded_map *folded, size_t count, draw_block *block) {
    const size_t n = folded->units;
    const float *s = folded->single;
    const float *o = s + n;
    const float *v = o + n;
    double theta[MCP_FLOAT_LANES];
    for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
        theta[lane] = folded->theta;
    alignas(64) float radius[MCP_BLOCK];
    latent_radii(block, count, radius);
    floats before = every_float(0.0F);
    size_t i = 0;
    for (; i < count; i += MCP_FLOAT_LANES) {
        const floats r = load_floats(&radius[i]);
        floats m = every_float(v[n]);
        for (size_t j = 0; j < n; j++)
            m += unit(r, every_float(s[j]), every_float(o[j]), every_float(v[j]));
        if (i > 0)
            store_four_velocity(block, i - MCP_FLOAT_LANES, before, theta);
        before = m;
    }
    store_four_velocity(block, i - MCP_FLOAT_LANES, before, theta);
}

static inline void map_with_conditioning(const thermal_map *map, size_t conditioning, size_t count,
                                         draw_block *block) {
    const size_t n = map->units;
    for (size_t i = count; i % MCP_FLOAT_LANES != 0; i++)
        block->theta[i] = map->theta_lo;
    alignas(64) float theta[MCP_BLOCK];
    alignas(64) float saturations[MCP_MAX_CONDITIONING][MCP_BLOCK];
    alignas(64) float radius[MCP_BLOCK];
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES)
        for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
            theta[i + lane] = (float)block->theta[i + lane];
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES)
        for (size_t k = 0; k < conditioning; k++)
            store_floats(&saturations[k][i], saturation_of(map, k, load_floats(&theta[i])));
    latent_radii(block, count, radius);
    floats before = every_float(0.0F);
    double own[MCP_FLOAT_LANES];
    size_t i = 0;
    for (; i < count; i += MCP_FLOAT_LANES) {
        floats saturation[MCP_MAX_CONDITIONING];
        for (size_t k = 0; k < conditioning; k++)
            saturation[k] = load_floats(&saturations[k][i]);
        const floats r = load_floats(&radius[i]);
        floats m = parameter(map, 3 * n, saturation, conditioning);
        for (size_t j = 0; j < n; j++)
            m += unit(r, parameter(map, j, saturation, conditioning),
                      parameter(map, n + j, saturation, conditioning),
                      parameter(map, 2 * n + j, saturation, conditioning));
        if (i > 0) {
            memcpy(own, &block->theta[i - MCP_FLOAT_LANES], sizeof own);
            store_four_velocity(block, i - MCP_FLOAT_LANES, before, own);
        }
        before = m;
    }
    memcpy(own, &block->theta[i - MCP_FLOAT_LANES], sizeof own);
    store_four_velocity(block, i - MCP_FLOAT_LANES, before, own);
}

static void map_each_theta(const thermal_map *map, size_t count, draw_block *block) {
    /* Known to the compiler, the usual number keeps the saturations in registers. */
    if (map->conditioning == 3)
        map_with_conditioning(map, 3, count, block);
    else
        map_with_conditioning(map, map->conditioning, count, block);
}

/* ---- Directions ---- */

/*
 * The series of sin(πw)/w (first = π, offset = 2) and cos(πw) (first = 1, offset = 1) in powers of
 * z = w² for |w| <= ½, to the last digits of a double.
 */
static inline doubles circular_series(doubles z, double first, int offset) {
    doubles q = every_double(0.0);
    double terms[10];
    double term = first;
    for (int k = 0; k < 10; k++) {
        terms[k] = term;
        term *= -PI * PI / ((2.0 * k + offset) * (2.0 * k + offset + 1.0));
    }
    for (int k = 9; k >= 0; k--)
        q = q * z + terms[k];
    return q;
}

static void point(uint64_t state[16], size_t count, const double *u, double *u3) {
    for (size_t lane = 0; lane < 8; lane += MCP_LANES) {
        generators lanes = {load_words(&state[lane]), load_words(&state[8 + lane])};
        for (size_t row = lane; row < (count + 7) / 8 * 8; row += 8) {
            const doubles height = uniforms(next_bits(&lanes));
            const doubles w = uniforms(next_bits(&lanes)) - 0.5;
            const doubles sine = w * circular_series(w * w, PI, 2);
            const doubles cosine = circular_series(w * w, 1.0, 1);
            /* Twice the angle πw covers the whole circle. */
            double axis[MCP_LANES], across[MCP_LANES], along_x[MCP_LANES], along_y[MCP_LANES];
            store_doubles(axis, 2.0 * height - 1.0);
            store_doubles(across, 4.0 * height * (1.0 - height));
            store_doubles(along_x, cosine * cosine - sine * sine);
            store_doubles(along_y, 2.0 * sine * cosine);
            for (size_t i = 0; i < MCP_LANES && row + i < count; i++) {
                const double transverse = u[row + i] * sqrt(across[i]);
                double *to = &u3[3 * (row + i)];
                to[0] = transverse * along_x[i];
                to[1] = transverse * along_y[i];
                to[2] = u[row + i] * axis[i];
            }
        }
        store_words(&state[lane], lanes.first);
        store_words(&state[8 + lane], lanes.second);
    }
}

const kernels PASTE(mcp_kernels_, MCP_INSTRUCTION_SET) = {
    .instruction_set = QUOTE(MCP_INSTRUCTION_SET),
    .draw_radii = draw_radii,
    .draw_radii_from_streams = draw_radii_from_streams,
    .draw_uniforms = draw_uniforms,
    .draw_uniforms_from_streams = draw_uniforms_from_streams,
    .mark_above = mark_above,
    .fold = fold,
    .map = map,
    .map_each_theta = map_each_theta,
    .point = point,
};
