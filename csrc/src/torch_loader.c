#define _GNU_SOURCE
#include "torch_loader.h"
#include "status.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "libmcplugin_torch.so"

/* An address within this library, by which the dynamic linker knows its file. */
static const char within_this_library = 0;

/* MCPLUGIN_TORCH_LIBRARY, or the file beside libmcplugin; else what the dynamic linker finds. */
static void locate(char *path, size_t size) {
    const char *named = getenv("MCPLUGIN_TORCH_LIBRARY");
    Dl_info here;
    if (named != NULL && *named != '\0') {
        snprintf(path, size, "%s", named);
        return;
    }
    if (dladdr(&within_this_library, &here) != 0 && here.dli_fname != NULL) {
        const char *slash = strrchr(here.dli_fname, '/');
        if (slash != NULL) {
            snprintf(path, size, "%.*s/" FILE_NAME, (int)(slash - here.dli_fname), here.dli_fname);
            FILE *file = fopen(path, "rb");
            if (file != NULL) {
                fclose(file);
                return;
            }
        }
    }
    snprintf(path, size, FILE_NAME);
}

int mcp_torch_load(torch_engine *engine, const char *device, double *theta_lo, double *theta_hi) {
    char path[4096];
    locate(path, sizeof path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return mcp_fail(MCP_ERROR_TORCH,
                        "cannot load " FILE_NAME " (%s): install mcplugin where Python's headers "
                        "are, or set MCPLUGIN_TORCH_LIBRARY to the file",
                        dlerror());
    mcp_torch_open_function *open = NULL;
    *(void **)&open = dlsym(library, MCP_TORCH_OPEN);
    *(void **)&engine->map = dlsym(library, MCP_TORCH_MAP);
    *(void **)&engine->close = dlsym(library, MCP_TORCH_CLOSE);
    if (open == NULL || engine->map == NULL || engine->close == NULL)
        return mcp_fail(MCP_ERROR_TORCH, "%s is not the " FILE_NAME " of this release", path);
    char text[400] = "";
    const int status = open(device, &engine->handle, theta_lo, theta_hi, text, sizeof text);
    return status == MCP_OK ? MCP_OK : mcp_fail(status, "%s", text);
}

int mcp_torch_map(const torch_engine *engine, size_t n, const double *theta, size_t n_theta,
                  double *radius_to_u) {
    char text[400] = "";
    const int status =
        engine->map(engine->handle, n, radius_to_u, theta, n_theta, radius_to_u, text, sizeof text);
    return status == MCP_OK ? MCP_OK : mcp_fail(status, "%s", text);
}
