/*
 * The generator of thermal electrons: a map of the latent radius r = |z| of a 3-D standard normal,
 *
 *     u² = Θ r² (1 + Θ (r²/4 + M²)),   M = b + Σⱼ vⱼ aⱼ / √(1 + aⱼ²),   aⱼ = sⱼ r + oⱼ,
 *
 * whose 3n + 1 parameters (s, o, v, b) depend on temperature through a few saturating functions,
 * base + Σₖ Θ/(Θ + Θₖ) modulationₖ. Computing them for one Θ is called folding.
 */
#ifndef MCP_GENERATOR_H
#define MCP_GENERATOR_H

#include <stdalign.h>
#include <stddef.h>

#define MCP_MAX_UNITS 64
#define MCP_MAX_CONDITIONING 16
#define MCP_MAX_PARAMETERS (3 * MCP_MAX_UNITS + 1)

/* Largest latent radius that is mapped: far beyond what any normal numbers give. */
#define MCP_MAX_RADIUS 1e6

typedef struct thermal_map {
    size_t units;
    size_t conditioning;
    double theta_lo;
    double theta_hi;
    double base[MCP_MAX_PARAMETERS];
    double modulation[MCP_MAX_CONDITIONING][MCP_MAX_PARAMETERS];
    double theta_scale[MCP_MAX_CONDITIONING];
    /* The same in single precision, for the temperatures that differ from draw to draw. */
    float base_single[MCP_MAX_PARAMETERS];
    float modulation_single[MCP_MAX_PARAMETERS][MCP_MAX_CONDITIONING];
    float theta_scale_single[MCP_MAX_CONDITIONING];
} thermal_map;

/* Of the polynomials that replace u/r at one temperature, each in a piece of the range of r. */
#define MCP_PIECES 16
#define MCP_DEGREE 5

/*
 * A generator at one temperature: its parameters, for what needs double precision, and what the
 * kernels set and use.
 */
typedef struct folded_map {
    size_t units;
    double theta;
    double parameters[MCP_MAX_PARAMETERS];
    float single[MCP_MAX_PARAMETERS];
    alignas(64) float polynomials[MCP_DEGREE + 1][MCP_PIECES];
    int is_tabulated;
} folded_map;

/*
 * The weights compiled into the library: the bytes that `mcplugin export --format c` writes for the
 * package's own generator.
 */
extern const unsigned char mcp_builtin_weights[];
extern const size_t mcp_builtin_weights_size;

/* Read a generator from the bytes of its C form; name is for messages. Returns a mcp_status. */
int mcp_generator_read(thermal_map *read, const unsigned char *bytes, size_t size,
                       const char *name);

/* Set the parameters in double precision. */
void mcp_generator_fold(const thermal_map *map, double theta, folded_map *folded);

/* M(r) with its first and second derivative, in double precision. */
typedef struct learned_part {
    double value;
    double slope;
    double curvature;
} learned_part;

learned_part mcp_learned(const folded_map *folded, double radius);

#endif
