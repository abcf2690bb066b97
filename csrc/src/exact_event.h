/*
 * One photon meets thermal electrons, exactly, until one scatters it: the very algorithm, and order
 * of random numbers, of mcplugin/scattering/compton.py and klein_nishina.py.
 */
#ifndef MCP_EXACT_EVENT_H
#define MCP_EXACT_EVENT_H

#include "rejection.h"

#include <float.h>

/* Energies of photons. Harder ones refuse nearly all electrons, by the hundred thousand. */
#define MCP_PHOTON_LO DBL_MIN
#define MCP_PHOTON_HI 1e4

typedef struct scattered {
    double x;
    double cosine;
} scattered;

/* A photon of energy x among the electrons of a mixture, MCP_PHOTON_LO <= x <= MCP_PHOTON_HI. */
scattered mcp_scatter_exactly(double x, const gamma_mixture *electrons, generator_state random);

#endif
