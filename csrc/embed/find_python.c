/*
 * libmcplugin_torch, as far as it needs no Python (csrc/src/torch_engine.h): it finds the shared
 * library of Python, loads libmcplugin_torch_python beside itself, and hands every call on to it.
 *
 * Neither is linked with libpython: where that lies is known only on the machine on which they are
 * installed, and a host that runs Python already must not be given a second one.
 *
 * build_torch_engine.py defines PYTHON_VERSION ("3.11") and LIBPYTHON ("libpython3.11.so.1.0").
 */
#define _GNU_SOURCE
#include "mcplugin.h"
#include "torch_engine.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE "libmcplugin_torch_python.so"
enum { PATH_SIZE = 4096 };

mcp_torch_open_function mcp_torch_open;
mcp_torch_map_function mcp_torch_map;
mcp_torch_close_function mcp_torch_close;

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static char failure[1024];
static struct {
    mcp_torch_open_function *open;
    mcp_torch_map_function *map;
    mcp_torch_close_function *close;
} engine;

static bool is_of_our_version(const char *version) {
    const size_t length = strlen(PYTHON_VERSION);
    if (strncmp(version, PYTHON_VERSION, length) == 0 && version[length] == '.')
        return true;
    snprintf(failure, sizeof failure,
             "Python %.*s runs in this program, but libmcplugin_torch is built for " PYTHON_VERSION
             ": install mcplugin with the former",
             (int)strcspn(version, " "), version);
    return false;
}

/* Global, because the extension modules that Python imports look for its symbols. */
static bool open_libpython(const char *folder, const char *below) {
    char path[PATH_SIZE];
    const int length = snprintf(path, sizeof path, "%s%s" LIBPYTHON, folder, below);
    return length < PATH_SIZE && dlopen(path, RTLD_NOW | RTLD_GLOBAL) != NULL;
}

/* The Python of an environment, or that from which a virtual environment was made. */
static bool open_libpython_of(const char *environment) {
    char path[PATH_SIZE], line[PATH_SIZE], home[PATH_SIZE];
    snprintf(path, sizeof path, "%s/pyvenv.cfg", environment);
    FILE *settings = fopen(path, "r");
    if (settings == NULL)
        return open_libpython(environment, "/lib/");
    bool found = false;
    while (!found && fgets(line, sizeof line, settings) != NULL)
        found = sscanf(line, "home = %4095[^\r\n]", home) == 1 && open_libpython(home, "/../lib/");
    fclose(settings);
    return found;
}

/* The order in which search_path.py looks for packages, at last what the dynamic linker knows. */
static bool find_libpython(const char *own_folder) {
    const char *(*running_version)(void) = NULL;
    *(void **)&running_version = dlsym(RTLD_DEFAULT, "Py_GetVersion");
    if (running_version != NULL)
        return is_of_our_version(running_version());
    if (dlopen(LIBPYTHON, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) != NULL)
        return true; /* the host has loaded it for itself alone */

    static const char *const variables[] = {"PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *environment = getenv(variables[i]);
        if (environment != NULL && *environment != '\0' && open_libpython_of(environment))
            return true;
    }
    /* <environment>/lib/python3.11/site-packages/mcplugin/native/lib */
    static const char above[] = "/../../../../../..";
    char environment[PATH_SIZE + sizeof above];
    snprintf(environment, sizeof environment, "%s%s", own_folder, above);
    if (open_libpython_of(environment) || open_libpython("", ""))
        return true;
    snprintf(failure, sizeof failure,
             LIBPYTHON ", the shared library of Python " PYTHON_VERSION ", was not found: set "
                       "VIRTUAL_ENV to the environment where mcplugin is installed with torch, or "
                       "LD_LIBRARY_PATH to the folder of that library");
    return false;
}

static void load(void) {
    Dl_info self = {0};
    dladdr(&load_once, &self);
    const char *file = self.dli_fname != NULL ? self.dli_fname : "";
    const char *slash = strrchr(file, '/');
    char folder[PATH_SIZE], path[PATH_SIZE + sizeof ENGINE];
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - file) : 1,
             slash != NULL ? file : ".");
    if (!find_libpython(folder))
        return;
    snprintf(path, sizeof path, "%s/" ENGINE, folder);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(failure, sizeof failure, "cannot load " ENGINE ": %s", dlerror());
        return;
    }
    *(void **)&engine.map = dlsym(library, MCP_TORCH_MAP);
    *(void **)&engine.close = dlsym(library, MCP_TORCH_CLOSE);
    *(void **)&engine.open = dlsym(library, MCP_TORCH_OPEN);
}

static bool is_loaded(char *text, size_t text_size) {
    pthread_once(&load_once, load);
    if (text_size > 0)
        snprintf(text, text_size, "%s", failure);
    return engine.open != NULL;
}

int mcp_torch_open(const char *device, uint64_t *handle, double *theta_lo, double *theta_hi,
                   char *text, size_t text_size) {
    if (!is_loaded(text, text_size))
        return MCP_ERROR_TORCH;
    return engine.open(device, handle, theta_lo, theta_hi, text, text_size);
}

int mcp_torch_map(uint64_t handle, size_t n, const double *radius, const double *theta,
                  size_t n_theta, double *u, char *text, size_t text_size) {
    if (!is_loaded(text, text_size))
        return MCP_ERROR_TORCH;
    return engine.map(handle, n, radius, theta, n_theta, u, text, text_size);
}

void mcp_torch_close(uint64_t handle) {
    if (is_loaded(NULL, 0))
        engine.close(handle);
}
