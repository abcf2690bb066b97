/*
 * A host program for libmcplugin_torch, driven by test_torch_engine.py:
 *
 *   torch_engine_driver LIBRARY DEVICE            open only
 *   torch_engine_driver LIBRARY DEVICE IN OUT     everything; IN holds radii and as many
 *                                                 temperatures, OUT receives four-velocities
 *
 * It prints what it saw, one "key value" a line, and leaves the verdict to the test.
 */
#define _GNU_SOURCE
#include "mcplugin.h"
#include "torch_engine.h"

#include <dlfcn.h>
#include <fenv.h>
#include <locale.h>
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, BATCH = 777, ROUNDS = 20, OPENMP_THREADS = 5 };

static mcp_torch_open_function *torch_open;
static mcp_torch_map_function *torch_map;
static mcp_torch_close_function *torch_close;

static const char *device;
static volatile sig_atomic_t interrupts;

static void count_interrupt(int number) {
    (void)number;
    interrupts++;
}

static bool is_default(int number) {
    struct sigaction action;
    sigaction(number, NULL, &action);
    return action.sa_handler == SIG_DFL;
}

typedef struct opening {
    uint64_t engine;
    double lo, hi;
    int status;
    char text[1024];
} opening;

static void *open_one(void *argument) {
    opening *o = argument;
    o->status = torch_open(device, &o->engine, &o->lo, &o->hi, o->text, sizeof o->text);
    return NULL;
}

/* A thread maps its own batch again and again and counts the bits that change. */
typedef struct work {
    uint64_t engine;
    const double *radius, *theta, *expected;
    size_t n_theta;
    int failures, differences;
} work;

static void *map_repeatedly(void *argument) {
    work *w = argument;
    double u[BATCH];
    char text[256];
    for (int i = 0; i < ROUNDS; i++) {
        memset(u, 0, sizeof u);
        w->failures +=
            torch_map(w->engine, BATCH, w->radius, w->theta, w->n_theta, u, text, sizeof text) != 0;
        w->differences += memcmp(u, w->expected, sizeof u) != 0;
    }
    return NULL;
}

static void map_in_threads(const uint64_t *engines, const double *radius, const double *theta) {
    static double expected[THREADS][BATCH];
    pthread_t threads[THREADS];
    work works[THREADS];
    char text[256];
    int failures = 0, differences = 0;
    for (size_t i = 0; i < THREADS; i++) {
        works[i] = (work){.engine = engines[i % 2],
                          .radius = radius + i * BATCH,
                          .theta = theta + i * BATCH,
                          .expected = expected[i],
                          .n_theta = i % 3 == 0 ? 1 : BATCH};
        failures += torch_map(works[i].engine, BATCH, works[i].radius, works[i].theta,
                              works[i].n_theta, expected[i], text, sizeof text) != 0;
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, map_repeatedly, &works[i]);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        failures += works[i].failures;
        differences += works[i].differences;
    }
    printf("threads.failures %d\nthreads.differences %d\n", failures, differences);
}

static void say(const char *key, int status, const char *text) {
    printf("%s.status %d\n%s.text %s\n", key, status, key, text);
}

static int everything(const char *in, const char *out) {
    FILE *file = fopen(in, "rb");
    fseek(file, 0, SEEK_END);
    const size_t n = (size_t)ftell(file) / (2 * sizeof(double));
    double *radius = malloc(2 * n * sizeof *radius), *theta = radius + n;
    double *u = malloc(3 * n * sizeof *u);
    rewind(file);
    if (fread(radius, sizeof *radius, 2 * n, file) != 2 * n)
        return 1;
    fclose(file);

    /* What a guest must leave as it is. */
    char locale[256];
    snprintf(locale, sizeof locale, "%s", setlocale(LC_ALL, NULL));
    feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    const int traps = fegetexcept();
    omp_set_num_threads(OPENMP_THREADS);

    opening both[2] = {0};
    pthread_t other;
    pthread_create(&other, NULL, open_one, &both[1]);
    open_one(&both[0]);
    pthread_join(other, NULL);
    for (int i = 0; i < 2; i++)
        say(i == 0 ? "open" : "open_at_once", both[i].status, both[i].text);
    printf("theta_range %.17g %.17g\n", both[0].lo, both[0].hi);
    printf("same_signals %d\n", is_default(SIGINT) && is_default(SIGPIPE));
    signal(SIGINT, count_interrupt);
    printf("engines_differ %d\n", both[0].engine != both[1].engine);
    const uint64_t engine = both[0].engine;

    char text[1024] = "";
    opening bad = {0};
    bad.status = torch_open("toaster", &bad.engine, &bad.lo, &bad.hi, bad.text, sizeof bad.text);
    say("bad_device", bad.status, bad.text);
    char tiny[9] = "########";
    bad.status = torch_open("toaster", &bad.engine, &bad.lo, &bad.hi, tiny, 8);
    printf("tiny.length %zu\ntiny.beyond %c\n", strlen(tiny), tiny[8] == '\0' ? '#' : '!');
    u[0] = -1.0;
    int status = torch_map(99, 1, radius, theta, 1, u, text, sizeof text);
    say("bad_engine", status, text);
    printf("bad_engine.untouched %d\n", u[0] == -1.0);

    status = torch_map(engine, n, radius, theta, 1, u, text, sizeof text);
    say("one_theta", status, text);
    status = torch_map(engine, n, radius, theta, n, u + n, text, sizeof text);
    say("many_theta", status, text);
    memcpy(u + 2 * n, radius, n * sizeof *u);
    status = torch_map(engine, n, u + 2 * n, theta, n, u + 2 * n, text, sizeof text);
    say("in_place", status, text);
    status = torch_map(engine, 0, NULL, NULL, 0, NULL, text, sizeof text);
    say("nothing", status, text);

    const uint64_t engines[2] = {both[0].engine, both[1].engine};
    map_in_threads(engines, radius, theta);

    raise(SIGINT);
    status = torch_map(engine, 1, radius, theta, 1, radius, text, sizeof text);
    say("after_interrupt", status, text);
    printf("radius_mapped_alone %d\n", radius[0] == u[0]);
    printf("interrupts %d\n", (int)interrupts);
    printf("same_locale %d\n", strcmp(locale, setlocale(LC_ALL, NULL)) == 0);
    printf("same_traps %d\n", traps != 0 && fegetexcept() == traps);
    printf("same_team %d\n", omp_get_max_threads() == OPENMP_THREADS);

    torch_close(both[0].engine);
    torch_close(both[0].engine);
    status = torch_map(both[0].engine, 1, u, theta, 1, u, text, sizeof text);
    say("closed", status, text);
    status = torch_map(both[1].engine, 0, NULL, NULL, 0, NULL, text, sizeof text);
    say("still_open", status, text);

    file = fopen(out, "wb");
    fwrite(u, sizeof *u, 3 * n, file);
    fclose(file);
    free(radius);
    free(u);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 5)
        return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    *(void **)&torch_open = dlsym(library, MCP_TORCH_OPEN);
    *(void **)&torch_map = dlsym(library, MCP_TORCH_MAP);
    *(void **)&torch_close = dlsym(library, MCP_TORCH_CLOSE);
    device = argv[2];
    if (argc == 5)
        return everything(argv[3], argv[4]);
    opening only = {0};
    open_one(&only);
    say("open", only.status, only.text);
    open_one(&only);
    say("open_again", only.status, only.text);
    return 0;
}
