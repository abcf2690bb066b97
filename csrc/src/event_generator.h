/*
 * The generator of whole Compton events: from v uniform and z standard normal it makes the photon's
 * deflection h = (1 - cosine)/2 and energy x', with X = y/(1 + y), y = exp(l)·feature,
 *
 *     h = v/(v + c(1 - v)),             ln c = arsinh N(v, X),    features (x, x, x);
 *     ζ = z + √(Θ/(1 + Θ)) N(z, s, X),  s = √h,                   features (xs, xs, s),
 *
 * and x' from the conservation of energy and momentum with an electron of the momentum
 * 2 sinh(w/2) = √Θ ζ along the transfer. A network of the arguments I is N = w·H + k·I + b,
 *
 *     H = f(A₂ f(A₁ I + b₁) + b₂)  or  f(A₁ I + b₁),    f(a) = a/√(1 + a²),
 *
 * and each of its parameters (A₁, b₁, A₂, b₂, w, k, b, l) depends on temperature as
 * base + Σₖ √Θ/(√Θ + σₖ) modulationₖ. Computing them for one Θ is called folding.
 */
#ifndef MCP_EVENT_GENERATOR_H
#define MCP_EVENT_GENERATOR_H

#include <stddef.h>

#define MCP_MAX_EVENT_UNITS 32
#define MCP_MAX_EVENT_CONDITIONING 8

/* Arguments of the two networks, of which the last are features. */
#define MCP_EVENT_FEATURES 3
#define MCP_COSINE_ARGUMENTS 4
#define MCP_MOMENTUM_ARGUMENTS 5

#define MCP_MAX_EVENT_PARAMETERS                                                                   \
    (MCP_MAX_EVENT_UNITS * (MCP_MAX_EVENT_UNITS + MCP_MOMENTUM_ARGUMENTS + 3) +                    \
     MCP_MOMENTUM_ARGUMENTS + 1 + MCP_EVENT_FEATURES)

/* Largest |z| that is mapped: a normal number beyond it comes once in 10^32 draws. */
#define MCP_MAX_NORMAL 12.0

typedef struct event_network {
    size_t arguments;
    size_t units[2]; /* of the hidden layers; the second may have none */
    size_t conditioning;
    float base[MCP_MAX_EVENT_PARAMETERS];
    float modulation[MCP_MAX_EVENT_PARAMETERS][MCP_MAX_EVENT_CONDITIONING];
    float root_theta_scale[MCP_MAX_EVENT_CONDITIONING];
} event_network;

typedef struct event_generator {
    double theta_lo;
    double theta_hi;
    double x_hi; /* there is no lowest energy: the Thomson limit is built in */
    event_network cosine;
    event_network momentum;
} event_generator;

/* Where the parameters of a network begin, in the order in which they lie. */
typedef struct network_layout {
    size_t offsets_1; /* after the slopes of the first layer */
    size_t slopes_2;
    size_t offsets_2;
    size_t amplitudes;
    size_t skip;
    size_t bias;
    size_t log_scales;
    size_t size;
} network_layout;

static inline network_layout mcp_network_layout(size_t arguments, size_t units_1, size_t units_2) {
    network_layout at;
    at.offsets_1 = units_1 * arguments;
    at.slopes_2 = at.offsets_1 + units_1;
    at.offsets_2 = at.slopes_2 + units_2 * units_1;
    at.amplitudes = at.offsets_2 + units_2;
    at.skip = at.amplitudes + (units_2 > 0 ? units_2 : units_1);
    at.bias = at.skip + arguments;
    at.log_scales = at.bias + 1;
    at.size = at.log_scales + MCP_EVENT_FEATURES;
    return at;
}

/* The C form of the package's own generator, compiled in. */
extern const unsigned char mcp_builtin_event_weights[];
extern const size_t mcp_builtin_event_weights_size;

/* Read a generator from the bytes of its C form; name is for messages. Returns a mcp_status. */
int mcp_event_generator_read(event_generator *read, const unsigned char *bytes, size_t size,
                             const char *name);

#endif
