/*
 * Comptonisation in a sphere of hot electrons around a source of soft photons, by Monte Carlo on
 * several threads.
 *
 *     cc -O2 -fopenmp comptonise.c -o comptonise $(mcplugin config --cflags --libs) -lm
 *     ./comptonise SAMPLER [NAME=VALUE ...]         as in  ./comptonise gan threads=8 photons=1e7
 *
 * A code as many groups have one: vectors in three dimensions, a few thousand photons in flight,
 * its own random numbers, Klein-Nishina by rejection. SAMPLER says who makes its scatterings:
 *
 *   own                                        the code alone, electrons by its own rejection
 *   gan, gan-exact, rejection, torch:cpu ...   the code, off electrons from libmcplugin
 *   gan-event, exact-event                     libmcplugin: see scatter_photons
 *
 * What had to be changed for that is marked with (*).
 *
 * Lengths are in Thomson mean free paths, energies x in m_e c^2, four-velocities u = gamma beta.
 * The values that can be given are in read_input, with their defaults.
 */
#include <mcplugin.h> /* (*) */

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;
static const double KEV = 1.0 / 510.99895069; /* in m_e c^2 */

enum {
    BATCH = 4096, /* electrons per call, and photons in flight */
    NODES = 400,  /* of the table of cross-sections */
    MOST_BINS = 1000
};

/* What all threads read and none writes. */
typedef struct problem {
    double theta, tau, x_seed;
    int blackbody;
    int bins;
    double x_min, log_width;
    const mcp_sampler *sampler; /* (*) NULL: this code's own rejection */
    int whole_events;           /* (*) the sampler scatters photons and gives no electrons */
    double cross_section[NODES + 1];
} problem;

/* What escapes: photons, energy and squared energy per bin, and sums over all photons. */
typedef struct tally {
    uint64_t counts[MOST_BINS];
    double energy[MOST_BINS], squares[MOST_BINS];
    double born, escaped, born_squares, escaped_squares, born_escaped;
    uint64_t scatterings;
} tally;

typedef struct vector {
    double x, y, z;
} vector;

typedef struct photon {
    double x_seed, x; /* energies, at birth and now */
    vector position, direction;
} photon;

/* What one thread needs for itself: random numbers, electrons in reserve, photons in flight. */
typedef struct worker {
    const problem *given;
    uint64_t random;
    mcp_rng rng; /* (*) */
    double electrons[BATCH];
    int electrons_left;
    photon photons[BATCH];
    tally sums;
} worker;

/* End the program if a call of the library has failed (*). */
static void require(int status) {
    if (status != MCP_OK) {
        fprintf(stderr, "comptonise: %s\n", mcp_error_text());
        exit(EXIT_FAILURE);
    }
}

/* ---- Random numbers ------------------------------------------------------------------------ */

/* The finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, 453). */
static uint64_t mix(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

/* A number on (0, 1), by SplitMix64. */
static double uniform(worker *my) {
    my->random += UINT64_C(0x9E3779B97F4A7C15);
    return ((double)(mix(my->random) >> 12) + 0.5) * 0x1p-52;
}

/*
 * Energy/kT of a black body's photon: Planck's law is a sum over k of gamma distributions of shape
 * 3 and scale 1/k, with weights 1/k^3. Beyond k = 10000 are 5e-9 of all photons.
 */
static double planck_energy(worker *my) {
    const double zeta_3 = 1.2020569031595943;
    const double target = zeta_3 * uniform(my);
    double sum = 1.0, k = 1.0;
    while (sum < target && k < 10000.0) {
        k += 1.0;
        sum += 1.0 / (k * k * k);
    }
    double product = uniform(my);
    product *= uniform(my);
    product *= uniform(my);
    return -log(product) / k;
}

/* ---- Electrons ----------------------------------------------------------------------------- */

/*
 * Exact rejection (Canfield, Howard & Liang 1987, ApJ 323, 565). With t = (gamma - 1)/theta and
 * y = theta t the density is t^(1/2) (1 + y) sqrt(1 + y/2) exp(-t); since sqrt(1 + y/2) is at most
 * 1 + sqrt(y/2), t is proposed from gamma distributions of shape 3/2, 2, 5/2 and 3.
 */
static void own_electrons(worker *my, double theta, int n, double *u) {
    /* Integrals of the four terms of the envelope, summed up. */
    const double upto_1 = 0.5 * sqrt(PI);
    const double upto_2 = upto_1 + sqrt(0.5 * theta);
    const double upto_3 = upto_2 + 0.75 * sqrt(PI) * theta;
    const double upto_4 = upto_3 + sqrt(2.0) * theta * sqrt(theta);
    for (int i = 0; i < n; i++) {
        double y;
        do {
            /* A gamma variate adds exponentials and, for a half-integer shape, a normal squared. */
            const double choice = upto_4 * uniform(my);
            double product = uniform(my);
            if (choice >= upto_1)
                product *= uniform(my);
            if (choice >= upto_3)
                product *= uniform(my);
            double t = -log(product);
            if (choice < upto_1 || (choice >= upto_2 && choice < upto_3)) {
                const double cosine = cos(2.0 * PI * uniform(my));
                t -= log(uniform(my)) * cosine * cosine;
            }
            y = theta * t;
        } while (uniform(my) * (1.0 + sqrt(0.5 * y)) >= sqrt(1.0 + 0.5 * y));
        u[i] = sqrt(y * (y + 2.0));
    }
}

/*
 * The next electron of the thread's reservoir.
 *
 * A library draws many electrons at once much faster than one by one. A code that needs them one by
 * one asks for a few thousand, hands them out in order, and asks again when they are used up.
 */
static double next_electron(worker *my) {
    if (my->electrons_left == 0) {
        const problem *given = my->given;
        if (given->sampler == NULL)
            own_electrons(my, given->theta, BATCH, my->electrons);
        else
            require(mcp_sample_four_velocity(given->sampler, &my->rng, BATCH, &given->theta, 1,
                                             my->electrons)); /* (*) */
        my->electrons_left = BATCH;
    }
    return my->electrons[--my->electrons_left];
}

/* ---- Cross-sections ------------------------------------------------------------------------ */

/* Total Klein-Nishina cross-section over Thomson's; a series where the closed form cancels. */
static double klein_nishina(double x) {
    if (x < 0.01)
        return 1.0 - x * (2.0 - x * (5.2 - x * (13.3 - x * 32.6857)));
    const double y = 1.0 + 2.0 * x, logarithm = log(y);
    return 0.75 * ((1.0 + x) / (x * x * x) * (2.0 * x * (1.0 + x) / y - logarithm) +
                   logarithm / (2.0 * x) - (1.0 + 3.0 * x) / (y * y));
}

static const double LOG_X_FIRST = -18.420680743952367;       /* ln 1e-8 */
static const double LOG_X_STEP = 25.328436022934504 / NODES; /* ln 1e11 */

/*
 * Average the cross-section over the electrons' energies and angles: over the rapidity w = asinh(u)
 * by midpoints, and over ln D, D being the Doppler factor, from -w to w by Simpson's rule.
 */
static void tabulate_cross_section(problem *given) {
    enum { RAPIDITIES = 48, DOPPLERS = 64 };
    /* Up to where exp(-(gamma - 1)/theta) = exp(-40). */
    const double w_last = 2.0 * asinh(sqrt(20.0 * given->theta));
    for (int j = 0; j <= NODES; j++) {
        const double x = exp(LOG_X_FIRST + j * LOG_X_STEP);
        double sum = 0.0, norm = 0.0;
        for (int k = 0; k < RAPIDITIES; k++) {
            const double w = w_last * (k + 0.5) / RAPIDITIES;
            const double u = sinh(w), half = sinh(0.5 * w);
            const double electrons = cosh(w) * u * u * exp(-2.0 * half * half / given->theta);
            for (int m = 0; m <= DOPPLERS; m++) {
                const double doppler = exp(w * (2.0 * m / DOPPLERS - 1.0));
                const double simpson = m == 0 || m == DOPPLERS ? 1.0 : m % 2 == 1 ? 4.0 : 2.0;
                const double weight = simpson * electrons * w / sinh(2.0 * w) * doppler * doppler;
                sum += weight * klein_nishina(x * doppler);
                norm += weight;
            }
        }
        given->cross_section[j] = sum / norm;
    }
}

/* Look-up, linear in ln x. */
static double cross_section(const problem *given, double x) {
    const double place = fmin(fmax((log(x) - LOG_X_FIRST) / LOG_X_STEP, 0.0), NODES);
    const int j = place < NODES ? (int)place : NODES - 1;
    const double *sigma = &given->cross_section[j];
    return sigma[0] + (place - j) * (sigma[1] - sigma[0]);
}

/* ---- A scattering -------------------------------------------------------------------------- */

static double dot(vector a, vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

/* a + factor b */
static vector sum(vector a, double factor, vector b) {
    return (vector){a.x + factor * b.x, a.y + factor * b.y, a.z + factor * b.z};
}

static vector scaled(double factor, vector a) {
    return (vector){factor * a.x, factor * a.y, factor * a.z};
}

static vector unit(vector a) { return scaled(1.0 / sqrt(dot(a, a)), a); }

/* A direction at the given cosine to another one, in a random azimuth. */
static vector turned(worker *my, vector direction, double cosine) {
    /* Two unit vectors across the direction, from whichever axis is well away from it. */
    const vector first = unit(fabs(direction.z) < 0.7 ? (vector){direction.y, -direction.x, 0.0}
                                                      : (vector){0.0, direction.z, -direction.y});
    const vector second = {direction.y * first.z - direction.z * first.y,
                           direction.z * first.x - direction.x * first.z,
                           direction.x * first.y - direction.y * first.x};
    const double azimuth = 2.0 * PI * uniform(my);
    const double sine = sqrt(fmax(1.0 - cosine * cosine, 0.0));
    return sum(sum(scaled(cosine, direction), sine * cos(azimuth), first), sine * sin(azimuth),
               second);
}

/* See the photon as an observer of the given four-velocity does. */
static void boost(photon *flying, vector four_velocity) {
    const double gamma = sqrt(1.0 + dot(four_velocity, four_velocity));
    const double along = dot(flying->direction, four_velocity);
    flying->x *= gamma - along;
    flying->direction = unit(sum(flying->direction, along / (1.0 + gamma) - 1.0, four_velocity));
}

/* Klein-Nishina scattering off an electron at rest (Kahn 1954, AECU-3259, p. 64). */
static void deflect(worker *my, photon *flying) {
    const double x = flying->x;
    double w, ratio; /* 1 - cosine, incoming over scattered energy */
    for (;;) {
        const double random = uniform(my);
        if (uniform(my) * (9.0 + 2.0 * x) <= 1.0 + 2.0 * x) {
            w = 2.0 * random;
            ratio = 1.0 + x * w;
            if (uniform(my) * ratio * ratio <= 4.0 * x * w)
                break;
        } else {
            w = 2.0 * (1.0 - random) / (1.0 + 2.0 * x * random);
            ratio = 1.0 + x * w;
            if (2.0 * uniform(my) <= (1.0 - w) * (1.0 - w) + 1.0 / ratio)
                break;
        }
    }
    flying->x = x / ratio;
    flying->direction = turned(my, flying->direction, 1.0 - w);
}

/*
 * Meet electrons until one scatters the photon.
 *
 * The angle to the electron follows (1 - beta mu)/2, so the square of the Doppler factor
 * D = gamma - u mu is uniform; the pair interacts with probability sigma_KN(x D)/sigma_Thomson,
 * else the next electron is tried (Pozdnyakov, Sobol & Sunyaev 1983).
 */
static void scatter(worker *my, photon *flying) {
    double u, gamma, eta, doppler, least_doppler;
    do {
        u = next_electron(my);
        gamma = sqrt(1.0 + u * u);
        eta = uniform(my);
        least_doppler = 1.0 / (gamma + u);
        doppler = sqrt(least_doppler * least_doppler + 4.0 * gamma * u * eta);
    } while (uniform(my) >= klein_nishina(flying->x * doppler));
    /* mu = (gamma - doppler)/u without loss of digits */
    const double mu = 1.0 - 4.0 * gamma * eta / (doppler + least_doppler);
    const vector four_velocity = scaled(u, turned(my, flying->direction, mu));
    boost(flying, four_velocity);
    deflect(my, flying);
    boost(flying, scaled(-1.0, four_velocity));
}

/*
 * Scatter the first n photons in flight: each by the functions above, or all by one call (*).
 *
 * The library's events show no electron: the photon's energy and deflection are drawn from their
 * own law among electrons of this temperature. Only the azimuth is left to us.
 */
static void scatter_photons(worker *my, int n) {
    const problem *given = my->given;
    if (given->whole_events) {
        double x[BATCH], x_out[BATCH], cosine[BATCH];
        for (int i = 0; i < n; i++)
            x[i] = my->photons[i].x;
        require(
            mcp_scatter(given->sampler, &my->rng, (size_t)n, x, &given->theta, 1, x_out, cosine));
        for (int i = 0; i < n; i++) {
            photon *flying = &my->photons[i];
            flying->x = x_out[i];
            flying->direction = turned(my, flying->direction, cosine[i]);
        }
    } else {
        for (int i = 0; i < n; i++)
            scatter(my, &my->photons[i]);
    }
    my->sums.scatterings += (uint64_t)n;
}

/* ---- Tally --------------------------------------------------------------------------------- */

static void count_photon(tally *sums, const problem *given, const photon *flying) {
    const double x_seed = flying->x_seed, x = flying->x;
    sums->born += x_seed;
    sums->born_squares += x_seed * x_seed;
    sums->escaped += x;
    sums->escaped_squares += x * x;
    sums->born_escaped += x_seed * x;
    const double place = floor(log(x / given->x_min) / given->log_width);
    if (place >= 0.0 && place < given->bins) {
        const int j = (int)place;
        sums->counts[j]++;
        sums->energy[j] += x;
        sums->squares[j] += x * x;
    }
}

static void add(tally *sums, const tally *more) {
    for (int j = 0; j < MOST_BINS; j++) {
        sums->counts[j] += more->counts[j];
        sums->energy[j] += more->energy[j];
        sums->squares[j] += more->squares[j];
    }
    sums->born += more->born;
    sums->born_squares += more->born_squares;
    sums->escaped += more->escaped;
    sums->escaped_squares += more->escaped_squares;
    sums->born_escaped += more->born_escaped;
    sums->scatterings += more->scatterings;
}

/* E F_E is the escaping energy per ln E over the energy of the seed photons. */
static int write_spectrum(const tally *sums, const problem *given, double photons,
                          const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return 0;
    const double scale = 1.0 / (sums->born * given->log_width);
    fprintf(file, "# photons %.0f\n# E_lo(keV) E_hi(keV) counts EFE error\n", photons);
    for (int j = 0; j < given->bins; j++) {
        const double energy = sums->energy[j];
        const double variance = fmax(sums->squares[j] - energy * energy / photons, 0.0);
        fprintf(file, "%.15e %.15e %llu %.7e %.7e\n",
                given->x_min * exp(j * given->log_width) / KEV,
                given->x_min * exp((j + 1) * given->log_width) / KEV,
                (unsigned long long)sums->counts[j], scale * energy, scale * sqrt(variance));
    }
    return fclose(file) == 0;
}

/* ---- A photon's life ----------------------------------------------------------------------- */

/* A photon at the centre of the sphere. */
static photon born(worker *my) {
    const problem *given = my->given;
    const vector upwards = {0.0, 0.0, 1.0};
    photon newborn = {.x_seed = given->x_seed};
    if (given->blackbody)
        newborn.x_seed *= planck_energy(my);
    newborn.x = newborn.x_seed;
    newborn.direction = turned(my, upwards, 2.0 * uniform(my) - 1.0);
    return newborn;
}

/*
 * Let the first n photons in flight go on to where they meet an electron. Count those that have
 * left the sphere; the others, whose number is returned, close up.
 */
static int fly(worker *my, int n) {
    const problem *given = my->given;
    int inside = 0;
    for (int i = 0; i < n; i++) {
        photon flying = my->photons[i];
        const double length = -log(uniform(my)) / cross_section(given, flying.x);
        flying.position = sum(flying.position, length, flying.direction);
        if (dot(flying.position, flying.position) > given->tau * given->tau)
            count_photon(&my->sums, given, &flying);
        else
            my->photons[inside++] = flying;
    }
    return inside;
}

/* Follow a thread's share of the photons, with random numbers of its own. */
static void work(worker *my, const problem *given, uint64_t seed, int thread, double photons) {
    memset(my, 0, sizeof *my);
    my->given = given;
    my->random = mix(mix(seed) + (uint64_t)thread);
    require(mcp_rng_seed(&my->rng, seed, (uint64_t)thread)); /* (*) */
    int in_flight = 0;
    while (in_flight > 0 || photons > 0.0) {
        for (; in_flight < BATCH && photons > 0.0; photons -= 1.0)
            my->photons[in_flight++] = born(my);
        in_flight = fly(my, in_flight);
        scatter_photons(my, in_flight);
    }
}

/* ---- The run ------------------------------------------------------------------------------- */

typedef struct input {
    const char *sampler, *seed_spectrum, *output;
    double kt_kev, tau, seed_kev, photons, seed, threads, energy_min_kev, energy_max_kev, bins;
} input;

_Noreturn static void refuse(const char *value, const char *what) {
    fprintf(stderr, "comptonise: %s: %s\n", value, what);
    exit(2);
}

/* Read NAME=VALUE arguments; what is not given keeps its default. */
static input read_input(int argc, char **argv) {
    input in = {
        .sampler = argc > 1 ? argv[1] : "own",
        .kt_kev = 102.2,
        .tau = 1.0,
        .seed_spectrum = "blackbody", /* or monochromatic */
        .seed_kev = 0.1,              /* kT of the black body, or the energy of the line */
        .photons = 1e6,
        .seed = 1.0,
        .threads = 1.0,
        .energy_min_kev = 0.01,
        .energy_max_kev = 2000.0,
        .bins = 60.0,
        .output = "spectrum.txt",
    };
    const struct {
        const char *name, **word;
        double *number, least, most;
    } options[] = {
        {"seed_spectrum", &in.seed_spectrum, NULL, 0.0, 0.0},
        {"output", &in.output, NULL, 0.0, 0.0},
        {"kt_kev", NULL, &in.kt_kev, 1e-3, 1e5},
        {"tau", NULL, &in.tau, 1e-9, 1e3},
        {"seed_kev", NULL, &in.seed_kev, 1e-6, 1e6},
        {"photons", NULL, &in.photons, 1.0, 1e15},
        {"seed", NULL, &in.seed, 0.0, 9e15},
        {"threads", NULL, &in.threads, 1.0, 1024.0},
        {"energy_min_kev", NULL, &in.energy_min_kev, 1e-9, 1e9},
        {"energy_max_kev", NULL, &in.energy_max_kev, 1e-9, 1e9},
        {"bins", NULL, &in.bins, 1.0, MOST_BINS},
    };
    const size_t count = sizeof options / sizeof *options;
    for (int i = 2; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        const size_t length = value == NULL ? strlen(argv[i]) : (size_t)(value - argv[i]);
        size_t k = 0;
        while (k < count &&
               (strncmp(options[k].name, argv[i], length) != 0 || options[k].name[length] != '\0'))
            k++;
        if (k == count || value == NULL)
            refuse(argv[i], "there is no such option");
        value++;
        if (options[k].word != NULL) {
            *options[k].word = value;
            continue;
        }
        char *end;
        const double number = strtod(value, &end);
        if (end == value || *end != '\0' ||
            !(number >= options[k].least && number <= options[k].most))
            refuse(argv[i], "not a number, or out of range");
        *options[k].number = number;
    }
    in.photons = floor(in.photons);
    in.bins = floor(in.bins);
    if (!(in.energy_min_kev < in.energy_max_kev))
        refuse("energy_max_kev", "must be above energy_min_kev");
    if (strcmp(in.seed_spectrum, "blackbody") != 0 &&
        strcmp(in.seed_spectrum, "monochromatic") != 0)
        refuse(in.seed_spectrum, "seed_spectrum must be blackbody or monochromatic");
    return in;
}

/* Follow all photons on several threads, and add up what they have found in the same order. */
static tally run(const problem *given, uint64_t seed, int threads, double photons) {
    tally all = {0};
    tally *of_thread = calloc((size_t)threads, sizeof *of_thread);
    if (of_thread == NULL)
        refuse("threads", "out of memory");
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int thread = 0; thread < threads; thread++) {
        worker my;
        const double before = floor(photons * thread / threads);
        const double after = floor(photons * (thread + 1) / threads);
        work(&my, given, seed, thread, after - before);
        of_thread[thread] = my.sums;
    }
    for (int thread = 0; thread < threads; thread++)
        add(&all, &of_thread[thread]);
    free(of_thread);
    return all;
}

int main(int argc, char **argv) {
    const input in = read_input(argc, argv);
    mcp_sampler *sampler = NULL; /* (*) */
    if (strcmp(in.sampler, "own") != 0)
        require(mcp_sampler_create(in.sampler, &sampler)); /* (*) */
    double x_lo, x_hi;
    problem given = {
        .theta = in.kt_kev * KEV,
        .tau = in.tau,
        .x_seed = in.seed_kev * KEV,
        .blackbody = strcmp(in.seed_spectrum, "blackbody") == 0,
        .bins = (int)in.bins,
        .x_min = in.energy_min_kev * KEV,
        .log_width = log(in.energy_max_kev / in.energy_min_kev) / in.bins,
        .sampler = sampler,
        /* Samplers of electrons have no range of photons (*). */
        .whole_events = mcp_sampler_photon_range(sampler, &x_lo, &x_hi) == MCP_OK,
    };
    tabulate_cross_section(&given);

    const double started = omp_get_wtime();
    const tally all = run(&given, (uint64_t)in.seed, (int)in.threads, in.photons);
    const double seconds = omp_get_wtime() - started;
    mcp_sampler_destroy(sampler); /* (*) */

    const double gain = all.escaped / all.born;
    const double variance =
        all.escaped_squares - 2.0 * gain * all.born_escaped + gain * gain * all.born_squares;
    printf("%s, theta = %g, tau = %g\n", in.sampler, given.theta, in.tau);
    printf("amplification       %.4e +- %.2e\n", gain, sqrt(variance) / all.born);
    printf("mean scatterings    %.3e\n", (double)all.scatterings / in.photons);
    printf("photons per second  %.3e\n", in.photons / seconds);
    if (!write_spectrum(&all, &given, in.photons, in.output))
        refuse(in.output, "cannot be written");
    return EXIT_SUCCESS;
}
