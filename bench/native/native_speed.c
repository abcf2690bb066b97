/*
 * Time per electron, and per Compton event, of libmcplugin and of what it replaces, as JSON.
 *
 *     native_speed WORKLOAD ROUNDS
 *
 * native_speed.py writes the workload (temperatures, photon energies, tables) and reads what comes
 * out. Every round times every cell (a sampler at a temperature and a batch size) once, the rivals
 * at one temperature right after each other, so that a change of the machine's speed meets all of
 * them; a ratio of two cells is to be taken within rounds; likewise those of events, samplers of
 * which take turns at a photon energy and a temperature. Then follow one thread against two, and
 * processes that draw one electron.
 */
#include "baselines.h"

#include <mcplugin.h>

#include <math.h>
#include <pthread.h>
#include <spawn.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LARGEST_BATCH 65536
#define DRAWS_PER_TIMING 16384
#define CALLS_AT_MOST 4096
#define USUAL_BATCH 4096
#define MOST_CELLS 1024
#define MOST_TABLES 64
#define MOST_TEMPERATURES 16
#define MOST_ENERGIES 16

static _Noreturn void give_up(const char *what, const char *why) {
    fprintf(stderr, "native_speed: %s: %s\n", what, why);
    exit(1);
}

static void check(int status) {
    if (status != MCP_OK)
        give_up(mcp_strerror(status), mcp_error_text());
}

static void *allocate(size_t size) {
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (memory == NULL)
        give_up("memory", "none left");
    return memory;
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double seconds(void) { return seconds_of(CLOCK_MONOTONIC); }

/* ---- The workload ---- */

enum table_kind { EVEN, OCTAVES, SURFACE };

/* As native_speed.py packs it; the values follow. */
typedef struct table_header {
    char name[32];
    int32_t kind;
    int32_t bits;
    int32_t theta_bits;
    int32_t theta_index; /* -1 if it is for any temperature */
    double theta_lo;
    uint64_t bytes;
} table_header;

typedef struct table {
    table_header header;
    even_table even;
    octave_table octaves;
    surface_table surface;
} table;

typedef struct workload {
    size_t temperatures;
    double theta[MOST_TEMPERATURES];
    double mixed[2 * LARGEST_BATCH]; /* log-uniform */
    size_t energies;
    double x[MOST_ENERGIES];
    size_t tables;
    table table[MOST_TABLES];
} workload;

static void read_exactly(FILE *file, void *to, size_t size) {
    if (fread(to, 1, size, file) != size)
        give_up("workload", "it ends too early");
}

static size_t read_count(FILE *file, size_t most) {
    uint64_t count;
    read_exactly(file, &count, sizeof count);
    if (count > most)
        give_up("workload", "it is larger than this program was made for");
    return (size_t)count;
}

static void read_table(FILE *file, table *read) {
    read_exactly(file, &read->header, sizeof read->header);
    void *values = allocate(read->header.bytes);
    read_exactly(file, values, read->header.bytes);
    read->even = (even_table){(size_t)1 << read->header.bits, values};
    read->octaves = (octave_table){read->header.bits, values};
    read->surface =
        (surface_table){read->header.theta_bits, read->header.bits, read->header.theta_lo, values};
}

static workload *read_workload(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        give_up(path, "cannot be opened");
    workload *work = allocate(sizeof *work);
    work->temperatures = read_count(file, MOST_TEMPERATURES);
    read_exactly(file, work->theta, work->temperatures * sizeof *work->theta);
    read_exactly(file, work->mixed, LARGEST_BATCH * sizeof *work->mixed);
    /* Twice, so that a batch may begin anywhere. */
    memcpy(work->mixed + LARGEST_BATCH, work->mixed, LARGEST_BATCH * sizeof *work->mixed);
    work->energies = read_count(file, MOST_ENERGIES);
    read_exactly(file, work->x, work->energies * sizeof *work->x);
    work->tables = read_count(file, MOST_TABLES);
    for (size_t i = 0; i < work->tables; i++)
        read_table(file, &work->table[i]);
    fclose(file);
    return work;
}

/* ---- Samplers ---- */

typedef void rejection_function(uint64_t state[2], size_t n, const double *theta, size_t n_theta,
                                double *u);

/* One of the three: a sampler of the library, a scalar function, or a table. */
typedef struct subject {
    char name[48];
    mcp_sampler *sampler;
    rejection_function *reject;
    const table *table;
    size_t batch; /* 0: all batch sizes */
    double theta_lo;
} subject;

static mcp_rng random_lanes;
static uint64_t random_state[2];

static void draw(const subject *with, size_t n, const double *theta, size_t n_theta, double *u) {
    if (with->sampler != NULL)
        check(mcp_sample_four_velocity(with->sampler, &random_lanes, n, theta, n_theta, u));
    else if (with->reject != NULL)
        with->reject(random_state, n, theta, n_theta, u);
    else if (with->table->header.kind == EVEN)
        baseline_even_table(random_state, n, &with->table->even, u);
    else if (with->table->header.kind == OCTAVES)
        baseline_octave_table(random_state, n, &with->table->octaves, u);
    else
        baseline_surface_table(random_state, n, &with->table->surface, theta, n_theta, u);
}

typedef struct cell {
    const subject *subject;
    const double *theta;
    int is_mixed;
    size_t batch;
    double *ns; /* of each round */
} cell;

static void call(const cell *of, size_t calls, double *u) {
    for (size_t k = 0; k < calls; k++) {
        const double *theta = of->theta + (of->is_mixed ? k * of->batch % LARGEST_BATCH : 0);
        draw(of->subject, of->batch, theta, of->is_mixed ? of->batch : 1, u);
    }
}

/* Nanoseconds an electron, with what the cell needs in the caches as far as it fits there. */
static double time_cell(const cell *of, double *u) {
    size_t calls = DRAWS_PER_TIMING / of->batch;
    calls = calls < 1 ? 1 : calls > CALLS_AT_MOST ? CALLS_AT_MOST : calls;
    /* Sobol's method may take microseconds an electron. */
    if (of->subject->theta_lo > 0.0)
        calls = 1;
    call(of, calls, u);
    const double start = seconds();
    call(of, calls, u);
    return 1e9 * (seconds() - start) / (double)(calls * of->batch);
}

/* ---- What is compared ---- */

static size_t add(subject *subjects, size_t count, subject added) {
    subjects[count] = added;
    return count + 1;
}

static mcp_sampler *create(const char *spec) {
    mcp_sampler *sampler;
    check(mcp_sampler_create(spec, &sampler));
    return sampler;
}

/* The library's samplers on the instruction sets of this machine that are not its best. */
static size_t add_slower_sets(subject *subjects, size_t count, const char *best) {
    static const char *const sets[] = {"avx2", "generic"};
    static const char *const specs[] = {"gan", "gan-exact"};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        for (size_t j = 0; j < sizeof specs / sizeof specs[0]; j++) {
            setenv("MCPLUGIN_ISA", sets[i], 1);
            subject slower = {.sampler = create(specs[j]), .batch = USUAL_BATCH};
            unsetenv("MCPLUGIN_ISA");
            const char *set = mcp_sampler_instruction_set(slower.sampler);
            if (strcmp(set, sets[i]) != 0 || strcmp(set, best) == 0) {
                mcp_sampler_destroy(slower.sampler);
                continue;
            }
            snprintf(slower.name, sizeof slower.name, "%s (%s)", specs[j], set);
            count = add(subjects, count, slower);
        }
    return count;
}

static size_t list_subjects(const workload *work, subject *subjects) {
    size_t count = 0;
    static const char *const specs[] = {"gan", "gan-exact", "rejection"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        subject from_library = {.sampler = create(specs[i])};
        snprintf(from_library.name, sizeof from_library.name, "%s", specs[i]);
        count = add(subjects, count, from_library);
    }
    static const struct {
        const char *name;
        rejection_function *function;
    } exact[] = {
        {"canfield, Box-Muller", baseline_canfield_box_muller},
        {"canfield, polar", baseline_canfield_polar},
        {"canfield, tuned", baseline_canfield_tuned},
        {"zenitani-nakano, Box-Muller", baseline_zenitani_nakano_box_muller},
        {"zenitani-nakano, polar", baseline_zenitani_nakano_polar},
        {"zenitani-nakano, tuned", baseline_zenitani_nakano_tuned},
    };
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        subject scalar = {.reject = exact[i].function, .batch = USUAL_BATCH};
        snprintf(scalar.name, sizeof scalar.name, "%s", exact[i].name);
        count = add(subjects, count, scalar);
    }
    /* It accepts 1 in 1000 at theta = 0.099. */
    count =
        add(subjects, count,
            (subject){.name = "sobol", .reject = baseline_sobol, .batch = 64, .theta_lo = 0.099});
    for (size_t i = 0; i < work->tables; i++) {
        subject tabulated = {.table = &work->table[i], .batch = USUAL_BATCH};
        snprintf(tabulated.name, sizeof tabulated.name, "%s", work->table[i].header.name);
        count = add(subjects, count, tabulated);
    }
    return add_slower_sets(subjects, count, mcp_sampler_instruction_set(subjects[0].sampler));
}

/* Whether a subject takes part at a temperature, or in the mixture of them. */
static int takes_part(const subject *who, const workload *work, size_t index) {
    const int mixed = index == work->temperatures;
    if (who->table != NULL && who->table->header.theta_index >= 0)
        return (size_t)who->table->header.theta_index == index;
    return who->theta_lo == 0.0 || (!mixed && work->theta[index] >= who->theta_lo);
}

static size_t list_cells(const workload *work, const subject *subjects, size_t n_subjects,
                         size_t rounds, cell *cells) {
    static const size_t batches[] = {1, 16, 256, USUAL_BATCH, LARGEST_BATCH};
    size_t count = 0;
    for (size_t index = 0; index <= work->temperatures; index++)
        for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++)
            for (size_t k = 0; k < n_subjects; k++) {
                const subject *who = &subjects[k];
                const size_t batch = who->batch == 0             ? batches[b]
                                     : batches[b] == USUAL_BATCH ? who->batch
                                                                 : 0;
                if (batch == 0 || !takes_part(who, work, index))
                    continue;
                if (count == MOST_CELLS)
                    give_up("workload", "too many cells");
                const int mixed = index == work->temperatures;
                cells[count++] = (cell){.subject = who,
                                        .theta = mixed ? work->mixed : &work->theta[index],
                                        .is_mixed = mixed,
                                        .batch = batch,
                                        .ns = allocate(rounds * sizeof(double))};
            }
    return count;
}

/* ---- Events ---- */

#define MOST_EVENT_SAMPLERS 4

typedef struct event_sampler {
    char name[48];
    mcp_sampler *sampler;
} event_sampler;

/* A sampler, the energy of its photons, their temperature, or one each. */
typedef struct event_cell {
    const event_sampler *subject;
    double x;
    const double *theta;
    size_t n_theta;
    double *ns;
} event_cell;

/* Photons of one energy, and what becomes of them. */
typedef struct photons {
    double x[USUAL_BATCH];
    double x_out[USUAL_BATCH];
    double cosine[USUAL_BATCH];
} photons;

static double time_event_cell(const event_cell *of, photons *scattered) {
    const size_t calls = DRAWS_PER_TIMING / USUAL_BATCH;
    for (size_t i = 0; i < USUAL_BATCH; i++)
        scattered->x[i] = of->x;
    double start = 0.0;
    /* The first call is not counted. */
    for (size_t k = 0; k < calls + 1; k++) {
        if (k == 1)
            start = seconds();
        check(mcp_scatter(of->subject->sampler, &random_lanes, USUAL_BATCH, scattered->x, of->theta,
                          of->n_theta, scattered->x_out, scattered->cosine));
    }
    return 1e9 * (seconds() - start) / (double)(calls * USUAL_BATCH);
}

static size_t list_event_samplers(event_sampler *samplers) {
    static const char *const sets[] = {"avx2", "generic"};
    size_t count = 0;
    for (; count < 2; count++) {
        const char *spec = count == 0 ? "gan-event" : "exact-event";
        samplers[count].sampler = create(spec);
        snprintf(samplers[count].name, sizeof samplers[count].name, "%s", spec);
    }
    const char *best = mcp_sampler_instruction_set(samplers[0].sampler);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        setenv("MCPLUGIN_ISA", sets[i], 1);
        event_sampler *slower = &samplers[count];
        slower->sampler = create("gan-event");
        unsetenv("MCPLUGIN_ISA");
        const char *set = mcp_sampler_instruction_set(slower->sampler);
        if (strcmp(set, sets[i]) == 0 && strcmp(set, best) != 0)
            snprintf(samplers[count++].name, sizeof slower->name, "gan-event (%s)", set);
        else
            mcp_sampler_destroy(slower->sampler);
    }
    return count;
}

/* Log-uniform temperatures within a range, from those of the workload. */
static const double *mixed_within(const workload *work, double lo, double hi) {
    double *theta = allocate(USUAL_BATCH * sizeof *theta);
    for (size_t i = 0; i < USUAL_BATCH; i++) {
        const double place = log(work->mixed[i] / 1e-4) / log(1e6);
        theta[i] = fmin(fmax(lo * pow(hi / lo, place), lo), hi);
    }
    return theta;
}

static size_t list_event_cells(const workload *work, const event_sampler *samplers,
                               size_t n_samplers, size_t rounds, event_cell *cells) {
    double lo, hi;
    size_t count = 0;
    check(mcp_sampler_theta_range(samplers[0].sampler, &lo, &hi));
    const double *mixed = mixed_within(work, lo, hi);
    for (size_t i = 0; i < work->energies; i++)
        for (size_t j = 0; j <= work->temperatures; j++)
            for (size_t k = 0; k < n_samplers; k++) {
                const int is_mixed = j == work->temperatures;
                if (!is_mixed && (work->theta[j] < lo || work->theta[j] > hi))
                    continue;
                cells[count++] = (event_cell){.subject = &samplers[k],
                                              .x = work->x[i],
                                              .theta = is_mixed ? mixed : &work->theta[j],
                                              .n_theta = is_mixed ? USUAL_BATCH : 1,
                                              .ns = allocate(rounds * sizeof(double))};
            }
    return count;
}

/* ---- Two threads ---- */

#define THREAD_BATCHES 400

/* Aligned, or two threads would write to one line of the caches. */
typedef struct errand {
    alignas(128) mcp_rng rng;
    const mcp_sampler *sampler;
    double *u;
    double processor_time;
} errand;

static void *run_errand(void *argument) {
    errand *own = argument;
    const double theta = 0.1;
    const double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    for (int k = 0; k < THREAD_BATCHES; k++)
        check(mcp_sample_four_velocity(own->sampler, &own->rng, USUAL_BATCH, &theta, 1, own->u));
    own->processor_time = seconds_of(CLOCK_THREAD_CPUTIME_ID) - start;
    return NULL;
}

/* How many times as much two threads draw as one. */
typedef struct gain {
    double elapsed;   /* in the same time, which others on the machine may spoil */
    double processor; /* in the same processor time of each thread, which they cannot take */
} gain;

static gain gain_of_two_threads(const mcp_sampler *sampler, errand errands[2]) {
    pthread_t threads[2];
    for (uint64_t k = 0; k < 2; k++) {
        errands[k].sampler = sampler;
        check(mcp_rng_seed(&errands[k].rng, 1, k));
    }
    double start = seconds();
    run_errand(&errands[0]);
    const double alone = seconds() - start;
    const double alone_processor = errands[0].processor_time;
    start = seconds();
    for (int k = 0; k < 2; k++)
        if (pthread_create(&threads[k], NULL, run_errand, &errands[k]) != 0)
            give_up("threads", "cannot be created");
    for (int k = 0; k < 2; k++)
        pthread_join(threads[k], NULL);
    const double together = seconds() - start;
    const double one = errands[0].processor_time;
    const double other = errands[1].processor_time;
    return (gain){2.0 * alone / together, 2.0 * alone_processor / (one > other ? one : other)};
}

/* ---- A process for one electron ---- */

static int draw_one(const char *spec) {
    mcp_rng rng;
    const double theta = 0.1;
    double u;
    mcp_sampler *sampler = create(spec);
    check(mcp_rng_seed(&rng, 1, 0));
    check(mcp_sample_four_velocity(sampler, &rng, 1, &theta, 1, &u));
    const char done = u > 0.0 ? 1 : 0;
    return write(STDOUT_FILENO, &done, 1) == 1 && done ? 0 : 1;
}

/* Milliseconds from the start of a process to its first electron. */
static double first_draw(const char *spec) {
    extern char **environ;
    int ends[2];
    pid_t child;
    posix_spawn_file_actions_t actions;
    char *const arguments[] = {"native_speed", "--one", (char *)spec, NULL};
    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0)
        give_up("pipe", "cannot be made");
    const double start = seconds();
    if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) != 0)
        give_up("process", "cannot be started");
    close(ends[1]);
    char done = 0;
    const ssize_t got = read(ends[0], &done, 1);
    const double elapsed = seconds() - start;
    int status;
    waitpid(child, &status, 0);
    if (got != 1 || done != 1 || status != 0)
        give_up(spec, "a process that draws one electron failed");
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    return 1e3 * elapsed;
}

/* ---- Results ---- */

static int ascending(const void *one, const void *other) {
    const double a = *(const double *)one;
    const double b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(const double *values, size_t count, double *smallest) {
    double *sorted = allocate(count * sizeof *sorted);
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, ascending);
    const double middle = 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]);
    *smallest = sorted[0];
    free(sorted);
    return middle;
}

static void print_values(const double *values, size_t count) {
    printf("[");
    for (size_t i = 0; i < count; i++)
        printf("%s%.6g", i > 0 ? ", " : "", values[i]);
    printf("]");
}

static void print_cell(const cell *of, size_t rounds) {
    double smallest;
    const double middle = median(of->ns, rounds, &smallest);
    char theta[32] = "null";
    if (!of->is_mixed)
        snprintf(theta, sizeof theta, "%.17g", *of->theta);
    printf("{\"sampler\": \"%s\", \"theta\": %s, \"batch\": %zu, \"min\": %.6g, \"median\": %.6g, "
           "\"rounds\": ",
           of->subject->name, theta, of->batch, smallest, middle);
    print_values(of->ns, rounds);
    printf("}");
}

static void print_event_cell(const event_cell *of, size_t rounds) {
    char theta[32] = "null";
    if (of->n_theta == 1)
        snprintf(theta, sizeof theta, "%.17g", *of->theta);
    printf("{\"sampler\": \"%s\", \"x\": %.17g, \"theta\": %s, \"rounds\": ", of->subject->name,
           of->x, theta);
    print_values(of->ns, rounds);
    printf("}");
}

int main(int count, char **arguments) {
    if (count == 3 && strcmp(arguments[1], "--one") == 0)
        return draw_one(arguments[2]);
    const long asked = count == 3 ? strtol(arguments[2], NULL, 10) : 0;
    if (asked < 1 || asked > 100000)
        give_up("usage", "native_speed WORKLOAD ROUNDS, with 1 to 100000 rounds");
    const size_t rounds = (size_t)asked;

    const workload *work = read_workload(arguments[1]);
    static subject subjects[MOST_TABLES + 32];
    static cell cells[MOST_CELLS];
    const size_t n_subjects = list_subjects(work, subjects);
    const size_t n_cells = list_cells(work, subjects, n_subjects, rounds, cells);
    check(mcp_rng_seed(&random_lanes, 1, 0));
    random_state[0] = random_lanes.state[0];
    random_state[1] = random_lanes.state[8];
    static event_sampler event_samplers[MOST_EVENT_SAMPLERS];
    static event_cell event_cells[MOST_ENERGIES * (MOST_TEMPERATURES + 1) * MOST_EVENT_SAMPLERS];
    static photons scattered;
    const size_t n_event_samplers = list_event_samplers(event_samplers);
    const size_t n_event_cells =
        list_event_cells(work, event_samplers, n_event_samplers, rounds, event_cells);
    double *u = allocate(LARGEST_BATCH * sizeof *u);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t k = 0; k < n_cells; k++)
            cells[k].ns[round] = time_cell(&cells[k], u);
        for (size_t k = 0; k < n_event_cells; k++)
            event_cells[k].ns[round] = time_event_cell(&event_cells[k], &scattered);
    }

    const char *set = mcp_sampler_instruction_set(subjects[0].sampler);
    printf("{\"version\": \"%s\", \"instruction_set\": \"%s\",\n\"cells\": [\n", mcp_version(),
           set);
    for (size_t k = 0; k < n_cells; k++) {
        print_cell(&cells[k], rounds);
        printf("%s\n", k + 1 < n_cells ? "," : "");
    }
    printf("],\n\"event_cells\": [\n");
    for (size_t k = 0; k < n_event_cells; k++) {
        print_event_cell(&event_cells[k], rounds);
        printf("%s\n", k + 1 < n_event_cells ? "," : "");
    }

    const size_t repeats = rounds < 30 ? rounds : 30;
    double *values = allocate(repeats * sizeof *values);
    double *by_processor = allocate(repeats * sizeof *by_processor);
    errand errands[2] = {{.u = allocate(USUAL_BATCH * sizeof(double))},
                         {.u = allocate(USUAL_BATCH * sizeof(double))}};
    printf("],\n\"two_threads_over_one\": {");
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < repeats; i++) {
            const gain of = gain_of_two_threads(subjects[k].sampler, errands);
            values[i] = of.elapsed;
            by_processor[i] = of.processor;
        }
        printf("%s\"%s\": {\"elapsed\": ", k > 0 ? ", " : "", subjects[k].name);
        print_values(values, repeats);
        printf(", \"processor_time\": ");
        print_values(by_processor, repeats);
        printf("}");
    }
    printf("},\n\"first_draw_ms\": {");
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < repeats; i++)
            values[i] = first_draw(subjects[k].name);
        printf("%s\"%s\": ", k > 0 ? ", " : "", subjects[k].name);
        print_values(values, repeats);
    }
    printf("}}\n");
    return 0;
}
