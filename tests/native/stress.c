/*
 * Every call of libmcplugin on arrays that are exactly as long as they must be, so that sanitizers
 * and valgrind see each step beside them.
 *
 *   stress calls FILE EVENT_FILE   all calls and all kinds of samplers; the files hold weights of
 *                                  electrons and of events in their C form
 *   stress threads FILE            eight threads on one sampler of each kind give what one gives
 *
 * Prints the instruction set. Ends with 1, and says where, if a promise of the header is broken.
 */
#include <mcplugin_streams.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: not so: %s (last failure: %s)\n", __FILE__, __LINE__, #condition,       \
                   mcp_error_text());                                                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Around the widths of registers, the lanes of a mcp_rng and the size of a block. */
static const size_t sizes[] = {0,  1,  2,  3,   4,   5,   7,   8,   9,  15,
                               16, 17, 31, 255, 256, 257, 511, 513, 700};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void *exactly(size_t count, size_t width) {
    void *memory = malloc(count * width);
    EXPECT(memory != NULL || count == 0);
    return memory;
}

/* n numbers from lo to hi, the last of which is hi. */
static double *spread(size_t n, double lo, double hi) {
    double *values = exactly(n, sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = i + 1 == n ? hi : lo * pow(hi / lo, (double)i / (double)n);
    return values;
}

static double *temperatures(size_t n) { return spread(n, 1e-4, 100.0); }

static double *normal_looking(size_t count) {
    double *z = exactly(count, sizeof *z);
    for (size_t i = 0; i < count; i++)
        z[i] = 4.0 * sin(1.0 + 7.0 * (double)i);
    return z;
}

static void expect_four_velocities(const double *u, size_t count) {
    for (size_t i = 0; i < count; i++)
        EXPECT(isfinite(u[i]) && u[i] >= 0.0);
}

static void draw(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta) {
    mcp_rng *rng = exactly(1, sizeof *rng);
    double *u = exactly(n, sizeof *u);
    double *u3 = exactly(3 * n, sizeof *u3);
    uint64_t *streams = exactly(2 * n, sizeof *streams);
    EXPECT(mcp_rng_seed(rng, 5, n) == MCP_OK);
    for (size_t i = 0; i < 2 * n; i++)
        streams[i] = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);

    EXPECT(mcp_sample_four_velocity(sampler, rng, n, theta, n_theta, u) == MCP_OK);
    expect_four_velocities(u, n);
    EXPECT(mcp_sample_four_velocity_vector(sampler, rng, n, theta, n_theta, u3) == MCP_OK);
    for (size_t i = 0; i < n; i++)
        u[i] = sqrt(u3[3 * i] * u3[3 * i] + u3[3 * i + 1] * u3[3 * i + 1] +
                    u3[3 * i + 2] * u3[3 * i + 2]);
    expect_four_velocities(u, n);
    EXPECT(mcp_sample_streams(sampler, streams, n, theta, n_theta, u) == MCP_OK);
    expect_four_velocities(u, n);

    free(streams);
    free(u3);
    free(u);
    free(rng);
}

static void transform(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                      int expected) {
    double *z3 = normal_looking(3 * n);
    double *u3 = exactly(3 * n, sizeof *u3);
    double *radius = exactly(n, sizeof *radius);
    double *u = exactly(n, sizeof *u);
    for (size_t i = 0; i < n; i++)
        radius[i] = sqrt(z3[3 * i] * z3[3 * i] + z3[3 * i + 1] * z3[3 * i + 1] +
                         z3[3 * i + 2] * z3[3 * i + 2]);
    EXPECT(mcp_transform(sampler, n, theta, n_theta, z3, u3) == expected);
    EXPECT(mcp_transform_radius(sampler, n, theta, n_theta, radius, u) == expected);
    for (size_t i = 0; i < n && expected == MCP_OK; i++)
        EXPECT(fabs(u3[3 * i] * radius[i] - u[i] * z3[3 * i]) <= 1e-12 * u[i] * radius[i]);
    free(u);
    free(radius);
    free(u3);
    free(z3);
}

static void expect_photons(const double *x, const double *cosine, size_t count) {
    for (size_t i = 0; i < count; i++)
        EXPECT(isfinite(x[i]) && x[i] > 0.0 && fabs(cosine[i]) <= 1.0);
}

static void scatter(const mcp_sampler *sampler, size_t n, const double *theta, size_t n_theta,
                    double x_hi, int transform_status) {
    mcp_rng *rng = exactly(1, sizeof *rng);
    double *x = spread(n, 1e-300, x_hi);
    double *x_out = exactly(n, sizeof *x_out);
    double *cosine = exactly(n, sizeof *cosine);
    double *v = exactly(n, sizeof *v);
    double *z = exactly(n, sizeof *z);
    uint64_t *streams = exactly(2 * n, sizeof *streams);
    EXPECT(mcp_rng_seed(rng, 6, n) == MCP_OK);
    for (size_t i = 0; i < 2 * n; i++)
        streams[i] = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    for (size_t i = 0; i < n; i++) {
        v[i] = (double)i / (double)n;
        z[i] = 12.0 * sin(1.0 + 7.0 * (double)i);
    }

    EXPECT(mcp_scatter(sampler, rng, n, x, theta, n_theta, x_out, cosine) == MCP_OK);
    expect_photons(x_out, cosine, n);
    EXPECT(mcp_scatter_streams(sampler, streams, n, x, theta, n_theta, x_out, cosine) == MCP_OK);
    expect_photons(x_out, cosine, n);
    for (size_t i = 0; i < n; i++)
        x[i] = fmin(x[i], 10.0);
    EXPECT(mcp_transform_event(sampler, n, theta, n_theta, x, v, z, x_out, cosine) ==
           transform_status);
    expect_photons(x_out, cosine, n);

    free(streams);
    free(z);
    free(v);
    free(cosine);
    free(x_out);
    free(x);
    free(rng);
}

static void ask(const mcp_sampler *sampler) {
    double lo, hi, acceptance;
    EXPECT(mcp_sampler_theta_range(sampler, &lo, &hi) == MCP_OK && 0.0 < lo && lo < hi);
    for (double theta = lo; theta <= hi; theta *= 10.0) {
        EXPECT(mcp_sampler_acceptance(sampler, theta, &acceptance) == MCP_OK);
        EXPECT(acceptance > 0.5 && acceptance < 1.0 + 1e-9);
    }
    EXPECT(mcp_sampler_acceptance(sampler, 2.0 * hi, &acceptance) == MCP_ERROR_THETA);
}

static void use(const mcp_sampler *sampler, int transform_status) {
    ask(sampler);
    for (size_t i = 0; i < SIZES; i++) {
        const size_t n = sizes[i];
        double *theta = temperatures(n);
        double *one = temperatures(1);
        draw(sampler, n, theta, n);
        draw(sampler, n, one, 1);
        transform(sampler, n, theta, n, transform_status);
        transform(sampler, n, one, 1, transform_status);
        free(one);
        free(theta);
    }
}

static void use_events(const mcp_sampler *sampler, int transform_status) {
    double lo, hi, x_lo, x_hi;
    EXPECT(mcp_sampler_theta_range(sampler, &lo, &hi) == MCP_OK && 0.0 < lo && lo < hi);
    EXPECT(mcp_sampler_photon_range(sampler, &x_lo, &x_hi) == MCP_OK && 0.0 < x_lo && x_lo < x_hi);
    for (size_t i = 0; i < SIZES; i++) {
        const size_t n = sizes[i];
        double *theta = spread(n, lo, hi);
        double *one = spread(1, lo, hi);
        scatter(sampler, n, theta, n, 30.0, transform_status);
        scatter(sampler, n, one, 1, 10.0, transform_status);
        free(one);
        free(theta);
    }
}

static void misuse_events(const mcp_sampler *sampler, const mcp_sampler *electrons) {
    double *theta = spread(1, 0.1, 0.1);
    double *x = spread(4, 0.1, 1.0);
    double *out = exactly(8, sizeof *out);
    mcp_rng *rng = calloc(1, sizeof *rng);
    EXPECT(rng != NULL);
    EXPECT(mcp_scatter(sampler, rng, 4, x, theta, 1, out, out + 4) == MCP_ERROR_RNG);
    EXPECT(mcp_rng_seed(rng, 1, 1) == MCP_OK);
    EXPECT(mcp_scatter(electrons, rng, 4, x, theta, 1, out, out + 4) == MCP_ERROR_UNSUPPORTED);
    EXPECT(mcp_sample_four_velocity(sampler, rng, 4, theta, 1, out) == MCP_ERROR_UNSUPPORTED);
    EXPECT(mcp_scatter(sampler, rng, 4, x, theta, 1, out, out + 3) == MCP_ERROR_ARGUMENT);
    EXPECT(mcp_scatter(sampler, rng, 4, x, theta, 1, x, out) == MCP_ERROR_ARGUMENT);
    EXPECT(mcp_scatter(sampler, rng, SIZE_MAX, x, theta, 1, out, out + 4) == MCP_ERROR_ARGUMENT);
    x[3] = 1.1e4;
    EXPECT(mcp_scatter(sampler, rng, 4, x, theta, 1, out, out + 4) == MCP_ERROR_PHOTON);
    free(rng);
    free(out);
    free(x);
    free(theta);
}

/* What must be refused is refused without a look beside it. */
static void misuse(const mcp_sampler *sampler) {
    double *theta = temperatures(1);
    double *u = exactly(4, sizeof *u);
    mcp_rng *rng = calloc(1, sizeof *rng);
    EXPECT(rng != NULL);
    EXPECT(mcp_sample_four_velocity(sampler, rng, 4, theta, 1, u) == MCP_ERROR_RNG);
    EXPECT(mcp_rng_seed(rng, 1, 1) == MCP_OK);
    EXPECT(mcp_sample_four_velocity(sampler, rng, 4, theta, 3, u) == MCP_ERROR_ARGUMENT);
    EXPECT(mcp_sample_four_velocity(sampler, rng, SIZE_MAX, theta, 1, u) == MCP_ERROR_ARGUMENT);
    EXPECT(mcp_sample_four_velocity(sampler, NULL, 4, theta, 1, u) == MCP_ERROR_ARGUMENT);
    EXPECT(mcp_sample_four_velocity(NULL, rng, 4, theta, 1, u) == MCP_ERROR_HANDLE);
    theta[0] = NAN;
    EXPECT(mcp_sample_four_velocity(sampler, rng, 4, theta, 1, u) == MCP_ERROR_THETA);
    EXPECT(strlen(mcp_error_text()) > 0);
    free(rng);
    free(u);
    free(theta);
}

static mcp_sampler *created(const char *spec) {
    mcp_sampler *sampler;
    EXPECT(mcp_sampler_create(spec, &sampler) == MCP_OK);
    return sampler;
}

static void refuse(const char *spec, int expected) {
    mcp_sampler *sampler;
    EXPECT(mcp_sampler_create(spec, &sampler) == expected && sampler == NULL);
}

/* The bytes of a file in memory of exactly their number. */
static unsigned char *contents(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    EXPECT(file != NULL);
    EXPECT(fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = exactly(*size, 1);
    EXPECT(fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

/* Every length but the right one is refused. */
static void cut_short(const char *spec, const unsigned char *bytes, size_t size) {
    mcp_sampler *sampler;
    for (size_t length = 0; length < size; length += 7) {
        unsigned char *cut = exactly(length, 1);
        if (length > 0)
            memcpy(cut, bytes, length);
        EXPECT(mcp_sampler_create_from_bytes(spec, length > 0 ? cut : bytes, length, 6.5,
                                             &sampler) == MCP_ERROR_WEIGHTS);
        free(cut);
    }
}

static void create_from_memory(const char *path) {
    size_t size;
    unsigned char *bytes = contents(path, &size);
    mcp_sampler *sampler;
    /* A tail that begins early, so that some draws come from it. */
    EXPECT(mcp_sampler_create_from_bytes("gan-exact", bytes, size, 1.5, &sampler) == MCP_OK);
    use(sampler, MCP_ERROR_UNSUPPORTED);
    mcp_sampler_destroy(sampler);
    cut_short("gan", bytes, size);
    free(bytes);
}

static void exercise_events(const char *path) {
    size_t size;
    unsigned char *bytes = contents(path, &size);
    char spec[4096];
    snprintf(spec, sizeof spec, "gan-event:%s", path);
    mcp_sampler *electrons = created("gan");
    mcp_sampler *samplers[] = {created("gan-event"), created(spec), NULL, created("exact-event")};
    EXPECT(mcp_sampler_create_from_bytes("gan-event", bytes, size, MCP_TAIL_RADIUS, &samplers[2]) ==
           MCP_OK);
    for (size_t kind = 0; kind < sizeof samplers / sizeof samplers[0]; kind++) {
        use_events(samplers[kind], kind < 3 ? MCP_OK : MCP_ERROR_UNSUPPORTED);
        misuse_events(samplers[kind], electrons);
        mcp_sampler_destroy(samplers[kind]);
    }
    mcp_sampler_destroy(electrons);
    cut_short("gan-event", bytes, size);
    free(bytes);
}

static void exercise(const char *path, const char *event_path) {
    char spec[4096];
    snprintf(spec, sizeof spec, "gan:%s", path);
    const struct {
        const char *spec;
        int transform_status;
    } kinds[] = {{"gan", MCP_OK},
                 {spec, MCP_OK},
                 {"gan-exact", MCP_ERROR_UNSUPPORTED},
                 {"rejection", MCP_ERROR_UNSUPPORTED}};
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        mcp_sampler *sampler = created(kinds[kind].spec);
        if (kind == 0)
            printf("%s\n", mcp_sampler_instruction_set(sampler));
        use(sampler, kinds[kind].transform_status);
        misuse(sampler);
        mcp_sampler_destroy(sampler);
    }
    create_from_memory(path);
    exercise_events(event_path);
    refuse("", MCP_ERROR_SPEC);
    refuse("gan:", MCP_ERROR_SPEC);
    refuse("gan:/nowhere/weights.mcp", MCP_ERROR_FILE);
    refuse("gan-event:/nowhere/weights.mcp", MCP_ERROR_FILE);
    snprintf(spec, sizeof spec, "gan-event:%s", path);
    refuse(spec, MCP_ERROR_WEIGHTS);
    mcp_sampler_destroy(NULL);
    EXPECT(mcp_sampler_instruction_set(NULL) == NULL);
    for (int status = -1; status < 13; status++)
        EXPECT(strlen(mcp_strerror(status)) > 0);
    EXPECT(strcmp(mcp_version(), MCP_VERSION) == 0 && mcp_abi_version() == MCP_ABI_VERSION);
}

/* ---- Threads ---- */

#define THREADS 8
#define KINDS 3
#define EVENT_KINDS 2
#define DRAWS 3000

typedef struct task {
    const mcp_sampler *const *samplers; /* of electrons, then of events */
    const double *theta;
    const double *x;
    const char *path;
    uint64_t number;
    double u[KINDS][2][DRAWS];
    double u3[KINDS][3 * DRAWS];
    double x_out[EVENT_KINDS][2][DRAWS];
    double cosine[EVENT_KINDS][2][DRAWS];
} task;

static void scatter_alone_or_together(task *own, size_t kind) {
    mcp_rng rng;
    EXPECT(mcp_rng_seed(&rng, 4, own->number) == MCP_OK);
    for (size_t i = 0; i < 2; i++)
        EXPECT(mcp_scatter(own->samplers[KINDS + kind], &rng, DRAWS, own->x, own->theta,
                           i == 0 ? 1 : DRAWS, own->x_out[kind][i],
                           own->cosine[kind][i]) == MCP_OK);
}

static void *work(void *given) {
    task *own = given;
    for (size_t kind = 0; kind < KINDS; kind++) {
        const mcp_sampler *sampler = own->samplers[kind];
        mcp_rng rng;
        EXPECT(mcp_rng_seed(&rng, 3, own->number) == MCP_OK);
        EXPECT(mcp_sample_four_velocity(sampler, &rng, DRAWS, own->theta, 1, own->u[kind][0]) ==
               MCP_OK);
        EXPECT(mcp_sample_four_velocity(sampler, &rng, DRAWS, own->theta, DRAWS, own->u[kind][1]) ==
               MCP_OK);
        EXPECT(mcp_sample_four_velocity_vector(sampler, &rng, DRAWS, own->theta, DRAWS,
                                               own->u3[kind]) == MCP_OK);
        double acceptance;
        EXPECT(mcp_sampler_acceptance(sampler, own->theta[0], &acceptance) == MCP_OK);
    }
    for (size_t kind = 0; kind < EVENT_KINDS; kind++)
        scatter_alone_or_together(own, kind);
    /* Failures are told to the thread that made them. */
    char own_spec[40];
    char spec[4096];
    mcp_sampler *sampler;
    snprintf(own_spec, sizeof own_spec, "thread %d", (int)own->number);
    EXPECT(mcp_sampler_create(own_spec, &sampler) == MCP_ERROR_SPEC);
    snprintf(spec, sizeof spec, "gan:%s", own->path);
    EXPECT(mcp_sampler_create(spec, &sampler) == MCP_OK);
    mcp_sampler_destroy(sampler);
    EXPECT(strstr(mcp_error_text(), own_spec) != NULL);
    return NULL;
}

static task *all_tasks(const mcp_sampler *const *samplers, const double *theta, const double *x,
                       const char *path) {
    task *tasks = calloc(THREADS, sizeof *tasks);
    EXPECT(tasks != NULL);
    for (uint64_t number = 0; number < THREADS; number++) {
        tasks[number].samplers = samplers;
        tasks[number].theta = theta;
        tasks[number].x = x;
        tasks[number].path = path;
        tasks[number].number = number;
    }
    return tasks;
}

static void share(const char *path) {
    mcp_sampler *created_samplers[KINDS + EVENT_KINDS] = {
        created("gan"), created("gan-exact"), created("rejection"), created("gan-event"),
        created("exact-event")};
    const mcp_sampler *samplers[KINDS + EVENT_KINDS];
    memcpy(samplers, created_samplers, sizeof samplers);
    printf("%s\n", mcp_sampler_instruction_set(samplers[0]));
    double *theta = spread(DRAWS, 1e-3, 10.0);
    double *x = spread(DRAWS, 1e-6, 30.0);
    task *alone = all_tasks(samplers, theta, x, path);
    task *together = all_tasks(samplers, theta, x, path);
    for (size_t number = 0; number < THREADS; number++)
        work(&alone[number]);
    pthread_t threads[THREADS];
    for (size_t number = 0; number < THREADS; number++)
        EXPECT(pthread_create(&threads[number], NULL, work, &together[number]) == 0);
    for (size_t number = 0; number < THREADS; number++)
        EXPECT(pthread_join(threads[number], NULL) == 0);
    EXPECT(memcmp(alone, together, THREADS * sizeof *alone) == 0);
    EXPECT(memcmp(alone[0].u, alone[1].u, sizeof alone[0].u) != 0);
    free(together);
    free(alone);
    free(x);
    free(theta);
    for (size_t kind = 0; kind < KINDS + EVENT_KINDS; kind++)
        mcp_sampler_destroy(created_samplers[kind]);
}

int main(int count, char **words) {
    if (count == 4 && strcmp(words[1], "calls") == 0)
        exercise(words[2], words[3]);
    else if (count == 3 && strcmp(words[1], "threads") == 0)
        share(words[2]);
    else
        return 2;
    return 0;
}
