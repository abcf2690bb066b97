#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Like errno: per thread, so that no thread ever reads another one's failure. */
static _Thread_local char failure[512];

int mcp_fail(int status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    /* Aside first: one of the values may be the last failure itself. */
    char sentence[sizeof failure];
    vsnprintf(sentence, sizeof sentence, format, values);
    va_end(values);
    memcpy(failure, sentence, sizeof failure);
    return status;
}

const char *mcp_error_text(void) { return failure; }

const char *mcp_strerror(int status) {
    switch (status) {
    case MCP_OK:
        return "success";
    case MCP_ERROR_ARGUMENT:
        return "an argument is NULL, misaligned, overlapping, not finite or of the wrong size";
    case MCP_ERROR_THETA:
        return "a temperature is outside the sampler's range";
    case MCP_ERROR_SPEC:
        return "there is no such sampler";
    case MCP_ERROR_FILE:
        return "the file of weights cannot be read";
    case MCP_ERROR_WEIGHTS:
        return "the file of weights is damaged, of another version or not usable";
    case MCP_ERROR_MEMORY:
        return "out of memory";
    case MCP_ERROR_HANDLE:
        return "not a sampler, or one that was destroyed";
    case MCP_ERROR_RNG:
        return "the random state was never seeded";
    case MCP_ERROR_UNSUPPORTED:
        return "this sampler has no such thing";
    case MCP_ERROR_TORCH:
        return "Python or torch failed behind a torch sampler";
    case MCP_ERROR_PHOTON:
        return "a photon energy is out of range";
    default:
        return "unknown status";
    }
}

const char *mcp_version(void) { return MCP_VERSION; }

int mcp_abi_version(void) { return MCP_ABI_VERSION; }
