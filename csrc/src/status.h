/* Failures: a status for the program, a sentence for its author. */
#ifndef MCP_STATUS_H
#define MCP_STATUS_H

#include "mcplugin.h"

/* Keep a sentence for mcp_error_text of this thread and hand back the status. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int mcp_fail(int status, const char *format, ...);

#endif
