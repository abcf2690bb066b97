/* Exact rejection by Zenitani & Nakano (2022, Phys. Plasmas 29, 113904; arXiv:2210.15118). */
#ifndef MCP_REJECTION_H
#define MCP_REJECTION_H

#include "random.h"

#define MCP_REJECTION_THETA_LO 1e-4
#define MCP_REJECTION_THETA_HI 1e2

/* What depends on temperature alone: cumulative weights of the envelope's four components. */
typedef struct gamma_mixture {
    double theta;
    double up_to_shape_3_2;
    double up_to_shape_2;
    double up_to_shape_5_2;
    double total;
} gamma_mixture;

gamma_mixture mcp_gamma_mixture(double theta);
double mcp_draw_gamma_mixture(const gamma_mixture *mixture, generator_state random);
double mcp_rejection_acceptance(double theta);

#endif
