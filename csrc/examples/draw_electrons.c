/*
 * Draw thermal electrons and print their moments.
 *
 *     cc draw_electrons.c -o draw_electrons $(mcplugin config --cflags --libs) -lm
 *     ./draw_electrons [SAMPLER [THETA [N]]]        as in  ./draw_electrons gan 0.2 1e7
 */
#include <mcplugin.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 4096 }; /* electrons per call: their 32 kB stay in the first-level cache */

typedef struct moment {
    double sum, squares;
} moment;

static void add(moment *total, double value) {
    total->sum += value;
    total->squares += value * value;
}

static void print_mean(const char *name, moment total, double n) {
    const double mean = total.sum / n;
    const double error = sqrt((total.squares / n - mean * mean) / n);
    printf("%-9s = %.9e +- %.2e\n", name, mean, error);
}

static void require(int status) {
    if (status != MCP_OK) {
        fprintf(stderr, "draw_electrons: %s\n", mcp_error_text());
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv) {
    const char *spec = argc > 1 ? argv[1] : "gan";
    const double theta = argc > 2 ? atof(argv[2]) : 0.2;
    const size_t n = argc > 3 ? (size_t)atof(argv[3]) : 10000000;

    mcp_sampler *electrons;
    mcp_rng rng;
    require(mcp_sampler_create(spec, &electrons));
    require(mcp_rng_seed(&rng, 1, 0));

    double u[BATCH];
    moment of_u = {0}, of_square = {0}, of_kinetic = {0};
    for (size_t done = 0; done < n; done += BATCH) {
        const size_t now = n - done < BATCH ? n - done : BATCH;
        require(mcp_sample_four_velocity(electrons, &rng, now, &theta, 1, u));
        for (size_t i = 0; i < now; i++) {
            const double square = u[i] * u[i];
            add(&of_u, u[i]);
            add(&of_square, square);
            /* gamma - 1, in a form that does not cancel for slow electrons */
            add(&of_kinetic, square / (1.0 + sqrt(1.0 + square)));
        }
    }
    mcp_sampler_destroy(electrons);

    printf("%s, theta = %g: %zu electrons\n", spec, theta, n);
    print_mean("<u>", of_u, (double)n);
    print_mean("<u^2>", of_square, (double)n);
    print_mean("<gamma-1>", of_kinetic, (double)n);
    return EXIT_SUCCESS;
}
