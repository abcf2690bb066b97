#include "kernels.h"
#include "lanes.h"

#include <math.h>

#define QUOTE_NAME(name) #name
#define QUOTE(name) QUOTE_NAME(name)

/* ---- Latents ---- */

/* Two words of random bits for each draw of a block. */
typedef struct block_bits {
    alignas(64) uint64_t one[MCP_BLOCK];
    alignas(64) uint64_t two[MCP_BLOCK];
} block_bits;

/* Uniform numbers from the lowest 24 bits of words, less an origin, rounded. */
static inline floats short_uniforms(const uint64_t bits[MCP_FLOAT_LANES], float origin) {
    const half_words lowest =
        lower_halves(load_words(bits), load_words(bits + MCP_LANES)) & 0xFFFFFF;
    return __builtin_convertvector((integers)lowest, floats) * 0x1p-24F + (0x1p-25F - origin);
}

/*
 * r² of a 3-D standard normal. r²/2 has the gamma distribution of shape 3/2: a gamma of shape 2,
 * -ln(U₁U₂), times a beta of shapes (3/2, 1/2), which is 1 - x² for the coordinate x of a point in
 * the unit disc: with V = 1 - (radius of the point)² uniform, 1 - x² = V + (1 - V) sin²(azimuth),
 * a sum of positive terms. Two words give 40 bits for each U and 24 for V and the azimuth, whose
 * part is worked out in single precision.
 */
static inline void latents(const block_bits *bits, size_t count, draw_block *block) {
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES) {
        for (size_t j = i; j < i + MCP_FLOAT_LANES; j += MCP_LANES) {
            const doubles first = uniforms_from(load_words(&bits->one[j]) >> 12, 40, 0.0);
            const doubles second = uniforms_from(load_words(&bits->two[j]) >> 12, 40, 0.0);
            store_doubles(&block->chi_square[j], minus_twice_log(first * second));
        }
        const floats v = short_uniforms(&bits->one[i], 0.0F);
        const floats s = sine_square(short_uniforms(&bits->two[i], 0.5F));
        store_floats(&block->share[i], s + v * (1.0F - s));
    }
}

static void draw_latents(uint64_t state[16], size_t count, draw_block *block) {
    block_bits bits;
    for (size_t lane = 0; lane < 8; lane += MCP_LANES) {
        generators lanes = {load_words(&state[lane]), load_words(&state[8 + lane])};
        for (size_t row = 0; row < count; row += 8) {
            store_words(&bits.one[row + lane], next_bits(&lanes));
            store_words(&bits.two[row + lane], next_bits(&lanes));
        }
        store_words(&state[lane], lanes.first);
        store_words(&state[8 + lane], lanes.second);
    }
    latents(&bits, count, block);
}

static void draw_latents_from_streams(uint64_t *streams, size_t count, draw_block *block) {
    block_bits bits;
    FOR_STREAMS(streams, count, lanes, i, {
        store_words(&bits.one[i], next_bits(&lanes));
        store_words(&bits.two[i], next_bits(&lanes));
    });
    latents(&bits, count, block);
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

static void mark_above(const double *threshold, const draw_block *block, size_t count,
                       double squeeze, double tail_square, unsigned char *marks) {
    for (size_t i = 0; i < count; i++)
        marks[i] =
            (threshold[i] > squeeze) | (block->chi_square[i] * block->share[i] > tail_square);
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
        const double square = block->chi_square[i + lane] * block->share[i + lane];
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
        block->chi_square[i] = block->share[i] = 1.0F;
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES)
        for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
            radius[i + lane] = (float)block->chi_square[i + lane] * block->share[i + lane];
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
    folded->is_tabulated = 0;
    floats saturation[MCP_MAX_CONDITIONING];
    for (size_t k = 0; k < map->conditioning; k++)
        saturation[k] = saturation_of(map, k, every_float((float)theta));
    for (size_t j = 0; j < 3 * map->units + 1; j++)
        folded->single[j] = parameter(map, j, saturation, map->conditioning)[0];
}

/* M at one temperature. */
static inline floats learned(const folded_map *folded, floats radius) {
    const size_t n = folded->units;
    const float *s = folded->single;
    const float *o = s + n;
    const float *v = o + n;
    floats m = every_float(0.0F);
    for (size_t j = 0; j < n; j++)
        m += unit(radius, every_float(s[j]), every_float(o[j]), every_float(v[j]));
    return m + v[n];
}

static void map(const folded_map *folded, size_t count, draw_block *block) {
    double theta[MCP_FLOAT_LANES];
    for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
        theta[lane] = folded->theta;
    alignas(64) float radius[MCP_BLOCK];
    latent_radii(block, count, radius);
    floats before = every_float(0.0F);
    size_t i = 0;
    for (; i < count; i += MCP_FLOAT_LANES) {
        const floats r = load_floats(&radius[i]);
        const floats m = learned(folded, r);
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
        floats m = every_float(0.0F);
        for (size_t j = 0; j < n; j++)
            m += unit(r, parameter(map, j, saturation, conditioning),
                      parameter(map, n + j, saturation, conditioning),
                      parameter(map, 2 * n + j, saturation, conditioning));
        m += parameter(map, 3 * n, saturation, conditioning);
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

/* ---- The generator at one temperature, as polynomials ---- */

/*
 * At one temperature u/r is a smooth function of r alone, the more so the larger r is: of
 * x = r + 1/16, each octave has two pieces with a polynomial each. The leading 10 bits of x as a
 * float are the number of the piece: 246 at r = 0, while 261 ends at r = 15.9 and no draw is beyond
 * 10.7; their lowest four are its place in the table. The other bits, as the mantissa of a number
 * from 1 to 1.5, are the place within the piece.
 */
#define OFFSET 0x1p-4F
#define FIRST_PIECE 246
#define PLACE_BITS 22
#define START 0x3F800000
#define HALF_PIECE 0.25F
#define LAST_RADIUS 16.0F

/* Relative, of which rounding alone takes up to 4e-7. */
#define TABLE_TOLERANCE 6e-7F

/* Slope of a unit times half a piece, where the unit has its middle. */
#define STEEPEST 1.5F

/* The pieces that are number i and following in the table. */
static inline half_words pieces_from(uint32_t i) {
    half_words piece;
    for (uint32_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
        piece[lane] = FIRST_PIECE + (i + lane - FIRST_PIECE) % MCP_PIECES;
    return piece;
}

/* u/r by polynomials, at places from -HALF_PIECE to HALF_PIECE. */
static inline floats polynomial(const folded_map *folded, half_words piece, floats place) {
    floats value = look_up(folded->polynomials[MCP_DEGREE], piece);
    for (int d = MCP_DEGREE - 1; d >= 0; d--)
        value = value * place + look_up(folded->polynomials[d], piece);
    return value;
}

/* u/r by the network, at one such place in each piece. */
static inline floats gain(const folded_map *folded, half_words piece, float place) {
    const half_words within = (half_words)every_float(1.0F + HALF_PIECE + place) - START;
    const floats r = (floats)((piece << PLACE_BITS) + within) - OFFSET;
    const floats m = learned(folded, r);
    const float theta = (float)folded->theta;
    return roots_of(theta * (1.0F + 0.25F * theta * r * r + theta * m * m)).root;
}

typedef struct parabola {
    double constant;
    double linear;
    double square;
} parabola;

/* In powers of z, through values at z = ½ + √3/4, ½ and ½ - √3/4. */
static inline parabola parabola_through(double above, double middle, double below) {
    const double slope = (above - below) / (0.5 * ROOT_3);
    const double bend = (above - 2.0 * middle + below) * (8.0 / 3.0);
    return (parabola){middle - 0.5 * slope + 0.25 * bend, slope - bend, bend};
}

/*
 * Interpolation at the six zeros of a Chebyshev polynomial, of which three are before the middle
 * of a piece and three after it: the even part, and the odd one over the place, are parabolas of
 * the squared place. In double precision, as most of the values cancels.
 */
static void interpolate(folded_map *folded) {
    static const double zeros[3] = {0.965925826289068287, 0.707106781186547524,
                                    0.258819045102520762};
    float after[3][MCP_PIECES], before[3][MCP_PIECES];
    for (uint32_t i = 0; i < MCP_PIECES; i += MCP_FLOAT_LANES)
        for (int k = 0; k < 3; k++) {
            const float place = HALF_PIECE * (float)zeros[k];
            store_floats(&after[k][i], gain(folded, pieces_from(i), place));
            store_floats(&before[k][i], gain(folded, pieces_from(i), -place));
        }
    for (size_t i = 0; i < MCP_PIECES; i++) {
        double even[3], odd[3];
        for (int k = 0; k < 3; k++) {
            even[k] = 0.5 * ((double)after[k][i] + (double)before[k][i]);
            odd[k] = ((double)after[k][i] - (double)before[k][i]) * (0.5 / zeros[k]);
        }
        const parabola e = parabola_through(even[0], even[1], even[2]);
        const parabola o = parabola_through(odd[0], odd[1], odd[2]);
        folded->polynomials[0][i] = (float)e.constant;
        folded->polynomials[1][i] = (float)(0x1p2 * o.constant);
        folded->polynomials[2][i] = (float)(0x1p4 * e.linear);
        folded->polynomials[3][i] = (float)(0x1p6 * o.linear);
        folded->polynomials[4][i] = (float)(0x1p8 * e.square);
        folded->polynomials[5][i] = (float)(0x1p10 * o.square);
    }
}

/* No unit changes so fast about its middle that the zeros could miss it. */
static int is_smooth(const folded_map *folded) {
    for (size_t j = 0; j < folded->units; j++) {
        const float s = folded->single[j];
        const float middle = -folded->single[folded->units + j] / s;
        const float r = middle > 0.0F ? (middle < LAST_RADIUS ? middle : LAST_RADIUS) : 0.0F;
        if (!(fabsf(s) * HALF_PIECE * (r + OFFSET) <= STEEPEST))
            return 0;
    }
    return 1;
}

/*
 * An interpolation at those zeros errs most at the ends of a piece. There the two polynomials must
 * agree with the network.
 */
static void tabulate(folded_map *folded) {
    interpolate(folded);
    uint32_t differ = 0;
    for (uint32_t i = 0; i < MCP_PIECES; i += MCP_FLOAT_LANES) {
        const half_words piece = pieces_from(i);
        const floats network = gain(folded, piece, -HALF_PIECE);
        const floats here = polynomial(folded, piece, every_float(-HALF_PIECE)) - network;
        const floats before = polynomial(folded, piece - 1, every_float(HALF_PIECE)) - network;
        const floats most = TABLE_TOLERANCE * network;
        const half_words agree =
            (half_words)(here * here <= most * most) &
            (half_words)((before * before <= most * most) | (piece == FIRST_PIECE));
        for (uint32_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
            differ |= ~agree[lane];
    }
    folded->is_tabulated = is_smooth(folded) && !differ;
}

/* u = r² (1/r) (u/r): only r² has the digits of a double, without which draws would coincide. */
static void map_by_table(const folded_map *folded, size_t count, draw_block *block) {
    for (size_t i = 0; i < count; i += MCP_FLOAT_LANES) {
        float square[MCP_FLOAT_LANES], factor[MCP_FLOAT_LANES];
        for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
            square[lane] = (float)block->chi_square[i + lane] * block->share[i + lane];
        const roots r = roots_of(load_floats(square));
        const half_words x = (half_words)(r.root + OFFSET);
        const half_words piece = x >> PLACE_BITS;
        const floats place = (floats)((x & ((1U << PLACE_BITS) - 1)) | START) - (1.0F + HALF_PIECE);
        store_floats(factor,
                     load_floats(&block->share[i]) * r.inverse * polynomial(folded, piece, place));
        for (size_t lane = 0; lane < MCP_FLOAT_LANES; lane++)
            block->u[i + lane] = block->chi_square[i + lane] * factor[lane];
    }
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
    .draw_latents = draw_latents,
    .draw_latents_from_streams = draw_latents_from_streams,
    .draw_uniforms = draw_uniforms,
    .draw_uniforms_from_streams = draw_uniforms_from_streams,
    .mark_above = mark_above,
    .fold = fold,
    .map = map,
    .tabulate = tabulate,
    .map_by_table = map_by_table,
    .map_each_theta = map_each_theta,
    .point = point,
};
