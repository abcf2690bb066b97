#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

static const kernel_set generic = {&mcp_kernels_generic, &mcp_event_kernels_generic};
#if defined(__x86_64__)
static const kernel_set avx2 = {&mcp_kernels_avx2, &mcp_event_kernels_avx2};
static const kernel_set avx512 = {&mcp_kernels_avx512, &mcp_event_kernels_avx512};
#endif

const kernel_set *mcp_select_kernels(void) {
    const kernel_set *possible[3] = {NULL};
    size_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        possible[count++] = &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        possible[count++] = &avx2;
#endif
    possible[count++] = &generic;

    const char *wanted = getenv("MCPLUGIN_ISA");
    if (wanted == NULL || *wanted == '\0')
        return possible[0];
    for (size_t i = 0; i < count; i++)
        if (strcmp(possible[i]->electrons->instruction_set, wanted) == 0)
            return possible[i];
    const int is_a_name = strcmp(wanted, "avx512") == 0 || strcmp(wanted, "avx2") == 0;
    return is_a_name ? possible[0] : NULL;
}
