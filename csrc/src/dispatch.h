/* Which of the loops that are compiled once per instruction set are run. */
#ifndef MCP_DISPATCH_H
#define MCP_DISPATCH_H

#include "event_kernels.h"
#include "kernels.h"

typedef struct kernel_set {
    const kernels *electrons;
    const event_kernels *events;
} kernel_set;

/*
 * The fastest of them that this processor runs, or the slower one that MCPLUGIN_ISA names; NULL if
 * what it names is no instruction set.
 */
const kernel_set *mcp_select_kernels(void);

#endif
