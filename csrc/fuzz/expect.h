/* What a fuzz target does when a promise of the library is broken: say which one, and abort. */
#ifndef MCP_FUZZ_EXPECT_H
#define MCP_FUZZ_EXPECT_H

#include <mcplugin_streams.h>

#include <stdio.h>
#include <stdlib.h>

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s (last failure: %s)\n", __FILE__, __LINE__,          \
                    #condition, mcp_error_text());                                                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* What libFuzzer calls with every input; replay.c calls it with files. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
