/*
 * Fuzz target: calls with odd arguments. An input is a sequence of records, each a call: which one,
 * on which sampler, with which sizes, and where in one piece of memory its arrays lie, aligned or
 * not, apart or on top of each other, full of temperatures, random bits and odd values.
 *
 * Each call succeeds if and only if its arguments are good, which is worked out here once more.
 * A call that fails changes nothing; one that succeeds changes its output and random state alone.
 *
 *   MCPLUGIN_FUZZ_SECONDS=600 python -m pytest -s tests/native/test_sanitizers.py \
 *       -k 'fuzzing and calls'
 *
 * fuzzes for ten minutes, as fuzz_weights.c says.
 */
#include "expect.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Doubles in the memory that all arrays are taken from. */
#define WORDS 16384
#define LARGEST_N 2000
/* Exact events of hard photons take long. */
#define LARGEST_N_OF_EVENTS 300
#define RECORD 24
#define MOST_CALLS 8

enum { GAN, GAN_EXACT, REJECTION, GAN_EVENT, EXACT_EVENT, KINDS };
enum { INSTRUCTION_SETS = 3 };

static mcp_sampler *samplers[KINDS][INSTRUCTION_SETS];
static double fresh[WORDS];
static double *memory;
static double *before;

/* As large as a sampler may be, and none. */
static uint64_t no_sampler[16384];

static void prepare(void) {
    static const char *const specs[KINDS] = {"gan", "gan-exact", "rejection", "gan-event",
                                             "exact-event"};
    static const char *const names[INSTRUCTION_SETS] = {"avx512", "avx2", "generic"};
    for (size_t set = 0; set < INSTRUCTION_SETS; set++) {
        setenv("MCPLUGIN_ISA", names[set], 1);
        for (size_t kind = 0; kind < KINDS; kind++)
            EXPECT(mcp_sampler_create(specs[kind], &samplers[kind][set]) == MCP_OK);
    }
    /* All are temperatures; those of the second half also photons, and latents of events. */
    for (size_t i = 0; i < WORDS; i++) {
        const double place = (double)(i * 7919 % WORDS) / WORDS;
        fresh[i] = i < WORDS / 2 ? 1e-4 * pow(1e6, place) : 1e-3 * pow(1e3, place);
    }
    memory = malloc(sizeof fresh);
    before = malloc(sizeof fresh);
    EXPECT(memory != NULL && before != NULL);
}

/* ---- A record ---- */

typedef struct array {
    uint8_t *start;
    size_t size; /* bytes */
    int written;
} array;

typedef struct call {
    uint8_t function;
    const mcp_sampler *sampler;
    int kind; /* KINDS if there is no sampler */
    size_t n;
    size_t n_theta;
    array theta;
    array random;
    array input; /* latents: of events v */
    array output;
    /* Of events alone. */
    array x;
    array z;
    array cosine;
} call;

static unsigned two_bytes(const uint8_t *record) { return record[0] | (unsigned)record[1] << 8; }

/* Room for some doubles within the memory: mostly aligned, sometimes not, rarely NULL. */
static array place(const uint8_t *record, size_t count, int written) {
    const unsigned chosen = two_bytes(record);
    array placed = {NULL, 8 * count, written};
    if (chosen == 0xFFFF)
        return placed;
    const size_t shift = (chosen & 7U) == 7 ? 1 + chosen % 5 : 0;
    const size_t room = WORDS - 1 - count;
    placed.start = (uint8_t *)memory + 8 * ((chosen >> 3) * 2 % room) + shift;
    return placed;
}

static size_t size_of_call(const uint8_t *record, size_t largest) {
    static const size_t impossible[] = {SIZE_MAX, SIZE_MAX / 8, SIZE_MAX / 24 + 1,
                                        SIZE_MAX / 64 + 1};
    return record[4] >= 0xF0 ? impossible[record[4] % 4] : two_bytes(record + 2) % (largest + 1);
}

static size_t temperatures_of_call(const uint8_t *record, size_t n) {
    switch (record[4] % 8) {
    case 0:
        return n + 1;
    case 1:
        return 0;
    case 2:
    case 3:
    case 4:
        return 1;
    default:
        return n;
    }
}

/* Spoil the memory somewhere. */
static void poke(uint8_t what, unsigned where) {
    static const double odd[] = {NAN,   INFINITY, -INFINITY, 0.0, -1.0,  99e-6, 101.0,  1e-4,
                                 100.0, 1e300,    5e-324,    1e6, 1.1e6, -0.0,  -1e200, 1e-200};
    enum { ODD = sizeof odd / sizeof odd[0] };
    const size_t word = where % (WORDS - 16);
    if (what < ODD)
        memory[word] = odd[what];
    else if (what < 2 * ODD)
        memset(&memory[word], 0, 16 * sizeof *memory);
}

enum {
    FOUR_VELOCITY,
    VECTOR,
    STREAMS,
    TRANSFORM,
    TRANSFORM_RADIUS,
    SCATTER,
    SCATTER_STREAMS,
    TRANSFORM_EVENT,
    FUNCTIONS
};

static int is_of_events(uint8_t function) { return function >= SCATTER; }

static int takes_rng(uint8_t function) { return function <= VECTOR || function == SCATTER; }

static int takes_streams(uint8_t function) {
    return function == STREAMS || function == SCATTER_STREAMS;
}

static call decode(const uint8_t *record) {
    call made = {.function = record[0] % FUNCTIONS, .kind = KINDS};
    const unsigned chosen = record[1] % 16;
    if (chosen < 14) {
        made.kind = (int)(chosen % KINDS);
        made.sampler = samplers[made.kind][record[1] / 16 % INSTRUCTION_SETS];
    } else if (chosen == 14) {
        made.sampler = (const mcp_sampler *)(const void *)no_sampler;
    }
    const int of_events = is_of_events(made.function);
    made.n = size_of_call(record, of_events ? LARGEST_N_OF_EVENTS : LARGEST_N);
    made.n_theta = temperatures_of_call(record, made.n);
    const size_t rows = made.n <= LARGEST_N ? made.n : 0;
    const size_t temperatures = made.n_theta <= LARGEST_N + 1 ? made.n_theta : 0;
    const int has_three = made.function == VECTOR || made.function == TRANSFORM;
    made.theta = place(record + 5, rows > 0 ? temperatures : 0, 0);
    made.output = place(record + 7, has_three ? 3 * rows : rows, 1);
    if (takes_rng(made.function))
        made.random = place(record + 9, 16, 1);
    else if (takes_streams(made.function))
        made.random = place(record + 9, 2 * rows, 1);
    else
        made.input = place(record + 11, made.function == TRANSFORM ? 3 * rows : rows, 0);
    if (of_events) {
        made.x = place(record + 16, rows, 0);
        made.cosine = place(record + 18, rows, 1);
    }
    if (made.function == TRANSFORM_EVENT)
        made.z = place(record + 20, rows, 0);
    return made;
}

static int run(const call *made) {
    const double *theta = (const double *)(const void *)made->theta.start;
    const double *input = (const double *)(const void *)made->input.start;
    const double *x = (const double *)(const void *)made->x.start;
    const double *z = (const double *)(const void *)made->z.start;
    double *output = (double *)(void *)made->output.start;
    double *cosine = (double *)(void *)made->cosine.start;
    void *random = made->random.start;
    switch (made->function) {
    case FOUR_VELOCITY:
        return mcp_sample_four_velocity(made->sampler, random, made->n, theta, made->n_theta,
                                        output);
    case VECTOR:
        return mcp_sample_four_velocity_vector(made->sampler, random, made->n, theta, made->n_theta,
                                               output);
    case STREAMS:
        return mcp_sample_streams(made->sampler, random, made->n, theta, made->n_theta, output);
    case TRANSFORM:
        return mcp_transform(made->sampler, made->n, theta, made->n_theta, input, output);
    case TRANSFORM_RADIUS:
        return mcp_transform_radius(made->sampler, made->n, theta, made->n_theta, input, output);
    case SCATTER:
        return mcp_scatter(made->sampler, random, made->n, x, theta, made->n_theta, output, cosine);
    case SCATTER_STREAMS:
        return mcp_scatter_streams(made->sampler, random, made->n, x, theta, made->n_theta, output,
                                   cosine);
    default:
        return mcp_transform_event(made->sampler, made->n, theta, made->n_theta, x, input, z,
                                   output, cosine);
    }
}

/* ---- What is expected of it ---- */

static double double_at(array within, size_t i) {
    double value;
    memcpy(&value, within.start + 8 * i, sizeof value);
    return value;
}

static int is_aligned(array given) { return (uintptr_t)given.start % 8 == 0; }

static int is_missing(array given) { return given.start == NULL && given.size > 0; }

static int clash(array one, array other) {
    return (one.written || other.written) && one.size > 0 && other.size > 0 &&
           one.start < other.start + other.size && other.start < one.start + one.size;
}

static int are_arrays_good(const call *made) {
    const array all[] = {made->theta, made->random, made->input, made->output,
                         made->x,     made->z,      made->cosine};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (is_missing(all[i]) || !is_aligned(all[i]))
            return 0;
        for (size_t j = 0; j < i; j++)
            if (clash(all[i], all[j]))
                return 0;
    }
    return 1;
}

/* No generator may be all zeros: it would give nothing else. */
static int is_random_good(const call *made) {
    const int is_rng = takes_rng(made->function);
    const size_t generators = is_rng ? 8 : made->random.size / 16;
    for (size_t i = 0; i < generators; i++) {
        uint64_t first, second;
        memcpy(&first, made->random.start + (is_rng ? 8 * i : 16 * i), 8);
        memcpy(&second, made->random.start + (is_rng ? 8 * i + 64 : 16 * i + 8), 8);
        if (first == 0 && second == 0)
            return 0;
    }
    return 1;
}

static int are_within(array given, double lo, double hi) {
    for (size_t i = 0; i < given.size / 8; i++)
        if (!(double_at(given, i) >= lo && double_at(given, i) <= hi))
            return 0;
    return 1;
}

static int are_latents_good(const call *made) {
    if (made->function == TRANSFORM_RADIUS)
        return are_within(made->input, 0.0, 1e6);
    for (size_t i = 0; i < made->n; i++) {
        double square = 0.0;
        for (size_t axis = 0; axis < 3; axis++)
            square += pow(double_at(made->input, 3 * i + axis), 2.0);
        if (!(square <= 1e12))
            return 0;
    }
    return 1;
}

static int is_sampler_good(const call *made) {
    switch (made->function) {
    case TRANSFORM:
    case TRANSFORM_RADIUS:
        return made->kind == GAN;
    case TRANSFORM_EVENT:
        return made->kind == GAN_EVENT;
    default:
        return made->kind != KINDS && is_of_events(made->function) == (made->kind >= GAN_EVENT);
    }
}

static int is_good(const call *made) {
    if (!is_sampler_good(made) || made->n > LARGEST_N ||
        (made->n_theta != 1 && made->n_theta != made->n) || !are_arrays_good(made))
        return 0;
    const int is_mild = made->kind == GAN_EVENT;
    if (!are_within(made->theta, is_mild ? 1e-3 : 1e-4, is_mild ? 10.0 : 100.0))
        return 0;
    switch (made->function) {
    case TRANSFORM:
    case TRANSFORM_RADIUS:
        return are_latents_good(made);
    case TRANSFORM_EVENT:
        return are_within(made->x, DBL_MIN, 10.0) && are_within(made->input, 0.0, 1.0) &&
               are_within(made->z, -12.0, 12.0);
    default:
        return is_random_good(made) && are_within(made->x, DBL_MIN, 1e4);
    }
}

/* Take over what a call may change, so that all the rest can be compared. */
static void take_over(array changed) {
    if (changed.size > 0)
        memcpy((uint8_t *)before + (changed.start - (uint8_t *)memory), changed.start,
               changed.size);
}

static void check(const call *made) {
    const int good = is_good(made);
    memcpy(before, memory, sizeof fresh);
    const int status = run(made);
    EXPECT((status == MCP_OK) == good);
    if (good) {
        for (size_t i = 0; i < made->output.size / 8; i++)
            EXPECT(isfinite(double_at(made->output, i)));
        EXPECT(are_within(made->cosine, -1.0, 1.0));
        take_over(made->output);
        take_over(made->cosine);
        take_over(made->random);
    } else {
        const size_t length = strlen(mcp_error_text());
        EXPECT(length > 0 && length < 512);
    }
    EXPECT(memcmp(before, memory, sizeof fresh) == 0);
}

/* ---- Specs ---- */

/* What follows a byte 0xFF is a spec, of which no slash or device is let through. */
static void create(const uint8_t *text, size_t size) {
    char spec[RECORD * MOST_CALLS + 1] = {0};
    for (size_t i = 0; i < size; i++)
        spec[i] = text[i] == '/' ? '_' : (char)text[i];
    if (strncmp(spec, "torch", 5) == 0)
        return;
    mcp_sampler *sampler = samplers[0][0];
    const int known = strcmp(spec, "gan") == 0 || strcmp(spec, "gan-exact") == 0 ||
                      strcmp(spec, "rejection") == 0 || strcmp(spec, "gan-event") == 0 ||
                      strcmp(spec, "exact-event") == 0;
    EXPECT((mcp_sampler_create(spec, &sampler) == MCP_OK) == known && (sampler != NULL) == known);
    mcp_sampler_destroy(sampler);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (memory == NULL)
        prepare();
    if (size > RECORD * MOST_CALLS)
        size = RECORD * MOST_CALLS;
    memcpy(memory, fresh, sizeof fresh);
    for (size_t at = 0; at + RECORD <= size; at += RECORD) {
        const uint8_t *record = data + at;
        if (record[0] == 0xFF) {
            create(record + 1, size - at - 1);
            return 0;
        }
        poke(record[13], two_bytes(record + 14));
        const call made = decode(record);
        check(&made);
    }
    return 0;
}
