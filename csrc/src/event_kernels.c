#include "event_kernels.h"
#include "builtin_sizes.h"
#include "lanes.h"

#include <math.h>

/* ---- Latents ---- */

/* What a register of latents is made of, in double precision. */
typedef struct drawn {
    alignas(64) double square[MCP_BLOCK];
    alignas(64) double sine[MCP_BLOCK];
    alignas(64) double v[MCP_BLOCK];
} drawn;

/*
 * z = √(-2 ln U) sin(πw) is normal (Box & Muller 1958, Ann. Math. Stat. 29, 610): w from -½ to ½
 * covers every sine of the circle once. One word gives 40 bits for U and 24 for w, another one v.
 */
static inline void draw_register(generators *lanes, size_t i, drawn *to) {
    const words bits = next_bits(lanes);
    const doubles w = uniforms_from(bits << 28, 24, 0.5);
    store_doubles(&to->square[i], minus_twice_log(uniforms_from(bits >> 12, 40, 0.0)));
    store_doubles(&to->sine[i], w * sine_over_w(w * w));
    store_doubles(&to->v[i], uniforms(next_bits(lanes)));
}

static inline void in_single_precision(drawn *from, size_t count, event_block *block) {
    alignas(64) float square[MCP_BLOCK];
    alignas(64) float sine[MCP_BLOCK];
    /* Up to the end of a full register there must be numbers, too. */
    for (size_t i = count; i % MCP_FLOAT_LANES != 0; i++)
        from->square[i] = from->sine[i] = from->v[i] = 0.5;
    for (size_t first = 0; first < count; first += MCP_FLOAT_LANES)
        for (size_t i = first; i < first + MCP_FLOAT_LANES; i++) {
            square[i] = (float)from->square[i];
            sine[i] = (float)from->sine[i];
            block->v[i] = (float)from->v[i];
            block->complement[i] = (float)(1.0 - from->v[i]);
        }
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES) {
        const floats squares = load_floats(&square[i]);
        store_floats(&block->z[i], squares * inverse_root(squares) * load_floats(&sine[i]));
    }
}

static void draw_latents(uint64_t state[16], size_t count, event_block *block) {
    drawn to;
    for (size_t lane = 0; lane < 8; lane += MCP_LANES) {
        generators lanes = {load_words(&state[lane]), load_words(&state[8 + lane])};
        for (size_t row = 0; row < count; row += 8)
            draw_register(&lanes, row + lane, &to);
        store_words(&state[lane], lanes.first);
        store_words(&state[8 + lane], lanes.second);
    }
    in_single_precision(&to, count, block);
}

static void draw_latents_from_streams(uint64_t *streams, size_t count, event_block *block) {
    drawn to;
    FOR_STREAMS(streams, count, lanes, i, draw_register(&lanes, i, &to));
    in_single_precision(&to, count, block);
}

/* ---- Networks ---- */

/* For what must be compiled for sizes that the compiler knows: inlining decides about the speed. */
#define INLINED static inline __attribute__((always_inline))

/* Sizes of a network: where the compiler knows them, it unrolls what depends on them. */
typedef struct network_sizes {
    size_t arguments;
    size_t units_1;
    size_t units_2;
    size_t conditioning; /* none if it is folded */
} network_sizes;

/* A network at the temperatures of a register. */
typedef struct lane_network {
    const float *base;
    const float (*modulation)[MCP_MAX_EVENT_CONDITIONING];
    const float *root_theta_scale;
    floats saturation[MCP_MAX_EVENT_CONDITIONING];
} lane_network;

static inline void saturate(lane_network *of, size_t conditioning, floats root_theta) {
    for (size_t k = 0; k < conditioning; k++)
        of->saturation[k] = root_theta / (root_theta + of->root_theta_scale[k]);
}

INLINED floats parameter(const lane_network *of, size_t conditioning, size_t j) {
    floats value = every_float(of->base[j]);
    for (size_t k = 0; k < conditioning; k++)
        value += of->saturation[k] * of->modulation[j][k];
    return value;
}

/* a/√(1 + a²) of all units of a layer. */
INLINED void activate(floats *units, size_t count) {
    for (size_t i = 0; i < count; i++)
        units[i] *= inverse_root(1.0F + units[i] * units[i]);
}

/* eˡ for |l| <= 80, to 1e-7 relative: 2ᵏ exp(f) with f within ln 2 half. */
static inline floats exponential(floats l) {
    /* Adding this rounds to whole numbers, which are then in the lowest bits. */
    const floats shifted = l * (float)(1.0 / LN_2) + 0x1.8p23F;
    const floats k = shifted - 0x1.8p23F;
    const floats f = (l - k * 0x1.62e4p-1F) - k * 0x1.7f7d1cp-20F;
    floats q = every_float(0.00138368357F);
    q = q * f + 0.00837482405F;
    q = q * f + 0.0416682262F;
    q = q * f + 0.166664201F;
    q = q * f + 0.499999921F;
    q = q * f + 1.00000004F;
    q = q * f + 1.0F;
    return (floats)((half_words)q + ((half_words)shifted << 23));
}

/* X = y/(1 + y), y = eˡ·value, for feature k. */
INLINED floats feature(const lane_network *of, network_sizes sizes, size_t k, floats value) {
    const network_layout at = mcp_network_layout(sizes.arguments, sizes.units_1, sizes.units_2);
    const floats number = parameter(of, sizes.conditioning, at.log_scales + k);
    const floats y = value * (sizes.conditioning == 0 ? number : exponential(number));
    return y / (1.0F + y);
}

/*
 * N. Every step is done for all units of a layer, which do not wait for each other: only that keeps
 * the arithmetic busy.
 */
INLINED floats network_output(const lane_network *of, network_sizes sizes,
                              const floats *arguments) {
    const network_layout at = mcp_network_layout(sizes.arguments, sizes.units_1, sizes.units_2);
    const size_t k = sizes.conditioning;
    floats out = parameter(of, k, at.bias);
    for (size_t i = 0; i < sizes.arguments; i++)
        out += parameter(of, k, at.skip + i) * arguments[i];
    floats first[MCP_MAX_EVENT_UNITS];
    for (size_t unit = 0; unit < sizes.units_1; unit++) {
        floats a = parameter(of, k, at.offsets_1 + unit);
        for (size_t i = 0; i < sizes.arguments; i++)
            a += parameter(of, k, unit * sizes.arguments + i) * arguments[i];
        first[unit] = a;
    }
    activate(first, sizes.units_1);
    floats second[MCP_MAX_EVENT_UNITS];
    for (size_t j = 0; j < sizes.units_2; j++)
        second[j] = parameter(of, k, at.offsets_2 + j);
    for (size_t unit = 0; unit < sizes.units_1; unit++)
        for (size_t j = 0; j < sizes.units_2; j++)
            second[j] += parameter(of, k, at.slopes_2 + j * sizes.units_1 + unit) * first[unit];
    activate(second, sizes.units_2);
    if (sizes.units_2 == 0)
        for (size_t unit = 0; unit < sizes.units_1; unit++)
            out += parameter(of, k, at.amplitudes + unit) * first[unit];
    for (size_t j = 0; j < sizes.units_2; j++)
        out += parameter(of, k, at.amplitudes + j) * second[j];
    return out;
}

/* ---- Events ---- */

static inline floats root(floats square) { return square * inverse_root(square); }

/* All bits of the lanes in which a number is negative. */
static inline half_words is_negative(floats number) {
    return (half_words)(number < every_float(0.0F));
}

static inline floats choose(half_words mask, floats where_set, floats elsewhere) {
    return (floats)((mask & (half_words)where_set) | (~mask & (half_words)elsewhere));
}

/* h = v/(v + c(1 - v)) with ln c = arsinh N: c or 1/c is |N| + √(1 + N²). */
static inline floats deflection(floats v, floats complement, floats n) {
    const floats magnitude = (floats)((half_words)n & UINT32_C(0x7FFFFFFF));
    const floats c = magnitude + root(1.0F + n * n);
    const half_words is_inverse = is_negative(n);
    const floats forward = choose(is_inverse, v * c, v);
    const floats backward = choose(is_inverse, complement, complement * c);
    return forward / (forward + backward);
}

/* x'/x, as in mcplugin/scattering/redistribution.py: a quotient of sums of positive terms. */
static inline floats energy_ratio(floats zeta, floats h, floats x, floats root_theta) {
    const floats heated = zeta * root_theta;
    const floats twice_kinetic = heated * heated; /* Θζ² = 2(γ - 1) */
    const floats gamma = 1.0F + 0.5F * twice_kinetic;
    const floats p_square = twice_kinetic + twice_kinetic * twice_kinetic * 0.25F;
    const floats versine = 2.0F * h;
    const floats transfer = versine * x;
    const floats spread = p_square + x * (2.0F * gamma + x);
    const floats sum = 1.0F + versine * (p_square + gamma * x) +
                       root(p_square * versine * (2.0F + versine * spread));
    const half_words gains = is_negative(zeta);
    const floats of_both = 1.0F + transfer * (2.0F * gamma + transfer);
    return choose(gains, sum, every_float(1.0F)) / choose(gains, of_both, sum);
}

static inline float root_of(double theta) { return sqrtf((float)theta); }

/* √(Θ/(1 + Θ)). */
static inline float momentum_scale_of(double theta) {
    return sqrtf((float)theta / (1.0F + (float)theta));
}

/* What differs from photon to photon in a block, in single precision. */
typedef struct photons {
    alignas(64) float x[MCP_BLOCK];
    alignas(64) float root_theta[MCP_BLOCK];
    alignas(64) float momentum_scale[MCP_BLOCK];
    alignas(64) float h[MCP_BLOCK];
    alignas(64) float zeta[MCP_BLOCK];
    alignas(64) float ratio[MCP_BLOCK];
} photons;

INLINED floats deflect(lane_network net, network_sizes sizes, floats root_theta, floats x, floats v,
                       floats complement) {
    saturate(&net, sizes.conditioning, root_theta);
    floats arguments[MCP_COSINE_ARGUMENTS] = {v};
    for (size_t k = 0; k < MCP_EVENT_FEATURES; k++)
        arguments[1 + k] = feature(&net, sizes, k, x);
    return deflection(v, complement, network_output(&net, sizes, arguments));
}

INLINED floats momentum_of(lane_network net, network_sizes sizes, floats root_theta, floats scale,
                           floats x, floats h, floats z) {
    saturate(&net, sizes.conditioning, root_theta);
    const floats s = root(h);
    floats arguments[MCP_MOMENTUM_ARGUMENTS] = {z, s};
    for (size_t k = 0; k < MCP_EVENT_FEATURES; k++)
        arguments[2 + k] = feature(&net, sizes, k, k < 2 ? x * s : s);
    return z + scale * network_output(&net, sizes, arguments);
}

/*
 * Scatter the first `count` photons, a whole number of registers. The steps are passes of their
 * own, in which registers do not wait for each other.
 */
INLINED void scatter_with(lane_network cosine, network_sizes cosine_sizes, lane_network momentum,
                          network_sizes momentum_sizes, size_t count, event_block *block,
                          photons *of) {
    for (size_t i = 0; i < count; i++)
        of->x[i] = (float)block->x[i];
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES)
        store_floats(&of->h[i], deflect(cosine, cosine_sizes, load_floats(&of->root_theta[i]),
                                        load_floats(&of->x[i]), load_floats(&block->v[i]),
                                        load_floats(&block->complement[i])));
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES)
        store_floats(&of->zeta[i],
                     momentum_of(momentum, momentum_sizes, load_floats(&of->root_theta[i]),
                                 load_floats(&of->momentum_scale[i]), load_floats(&of->x[i]),
                                 load_floats(&of->h[i]), load_floats(&block->z[i])));
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES)
        store_floats(&of->ratio[i],
                     energy_ratio(load_floats(&of->zeta[i]), load_floats(&of->h[i]),
                                  load_floats(&of->x[i]), load_floats(&of->root_theta[i])));
    for (size_t i = 0; i < count; i++) {
        block->x_out[i] = block->x[i] * (double)of->ratio[i];
        block->cosine[i] = 1.0 - 2.0 * (double)of->h[i];
    }
}

/* Up to the end of a full register there must be photons, too. Gives their number. */
static size_t fill_up(event_block *block, size_t count, double theta) {
    size_t i = count;
    for (; i % MCP_FLOAT_LANES != 0; i++) {
        block->x[i] = 1.0;
        block->theta[i] = theta;
        block->v[i] = block->complement[i] = block->z[i] = 0.5F;
    }
    return i;
}

static lane_network lanes_of(const event_network *network) {
    return (lane_network){.base = network->base,
                          .modulation = network->modulation,
                          .root_theta_scale = network->root_theta_scale};
}

static network_sizes sizes_of(const event_network *network, size_t conditioning) {
    return (network_sizes){network->arguments, network->units[0], network->units[1], conditioning};
}

static int are_same(network_sizes one, network_sizes other) {
    return one.units_1 == other.units_1 && one.units_2 == other.units_2 &&
           one.conditioning == other.conditioning;
}

/* In the very arithmetic of map_each_theta, so that equal temperatures give equal bits. */
static void fold_network(const event_network *network, float root_theta, float *folded) {
    const network_sizes sizes = sizes_of(network, network->conditioning);
    const network_layout at = mcp_network_layout(sizes.arguments, sizes.units_1, sizes.units_2);
    lane_network lanes = lanes_of(network);
    saturate(&lanes, sizes.conditioning, every_float(root_theta));
    for (size_t j = 0; j < at.size; j++)
        folded[j] = parameter(&lanes, sizes.conditioning, j)[0];
    for (size_t j = at.log_scales; j < at.size; j++)
        folded[j] = exponential(every_float(folded[j]))[0];
}

static void fold(const event_generator *generator, double theta, folded_events *folded) {
    folded->generator = generator;
    folded->root_theta = root_of(theta);
    folded->momentum_scale = momentum_scale_of(theta);
    fold_network(&generator->cosine, folded->root_theta, folded->cosine);
    fold_network(&generator->momentum, folded->root_theta, folded->momentum);
}

/* Sizes of the networks that are compiled in, for which there is code of its own. */
static const network_sizes builtin_cosine = {MCP_COSINE_ARGUMENTS, MCP_BUILTIN_COSINE};
static const network_sizes builtin_momentum = {MCP_MOMENTUM_ARGUMENTS, MCP_BUILTIN_MOMENTUM};

INLINED network_sizes folded_sizes(network_sizes sizes) {
    sizes.conditioning = 0;
    return sizes;
}

static void map(const folded_events *folded, size_t count, event_block *block) {
    const network_sizes cosine_sizes = sizes_of(&folded->generator->cosine, 0);
    const network_sizes momentum_sizes = sizes_of(&folded->generator->momentum, 0);
    const network_sizes usual_cosine = folded_sizes(builtin_cosine);
    const network_sizes usual_momentum = folded_sizes(builtin_momentum);
    const lane_network cosine = {.base = folded->cosine};
    const lane_network momentum = {.base = folded->momentum};
    const size_t full = fill_up(block, count, 1.0);
    photons of;
    for (size_t i = 0; i < full; i++) {
        of.root_theta[i] = folded->root_theta;
        of.momentum_scale[i] = folded->momentum_scale;
    }
    if (are_same(cosine_sizes, usual_cosine) && are_same(momentum_sizes, usual_momentum))
        scatter_with(cosine, usual_cosine, momentum, usual_momentum, full, block, &of);
    else
        scatter_with(cosine, cosine_sizes, momentum, momentum_sizes, full, block, &of);
}

static void map_each_theta(const event_generator *generator, size_t count, event_block *block) {
    const lane_network cosine = lanes_of(&generator->cosine);
    const lane_network momentum = lanes_of(&generator->momentum);
    const network_sizes cosine_sizes = sizes_of(&generator->cosine, generator->cosine.conditioning);
    const network_sizes momentum_sizes =
        sizes_of(&generator->momentum, generator->momentum.conditioning);
    const size_t full = fill_up(block, count, generator->theta_lo);
    photons of;
    for (size_t i = 0; i < full; i++) {
        of.root_theta[i] = root_of(block->theta[i]);
        of.momentum_scale[i] = momentum_scale_of(block->theta[i]);
    }
    if (are_same(cosine_sizes, builtin_cosine) && are_same(momentum_sizes, builtin_momentum))
        scatter_with(cosine, builtin_cosine, momentum, builtin_momentum, full, block, &of);
    else
        scatter_with(cosine, cosine_sizes, momentum, momentum_sizes, full, block, &of);
}

const event_kernels PASTE(mcp_event_kernels_, MCP_INSTRUCTION_SET) = {
    .draw_latents = draw_latents,
    .draw_latents_from_streams = draw_latents_from_streams,
    .fold = fold,
    .map = map,
    .map_each_theta = map_each_theta,
};
