/*
 * libmcplugin_torch: the network as TorchScript in an embedded Python (csrc/src/torch_engine.h).
 *
 * This file starts Python, once find_python.c has found it, and stands between the host program and
 * engine.py; cffi writes the rest around it, with the strings that build_torch_engine.py defines
 * above it.
 *
 * Python is a guest in the process: it takes no signal, sets no locale, prints nothing and never
 * ends the process. It stays until the process ends.
 */
#include "torch_engine.h"
#include "mcplugin.h"

#include <dlfcn.h>
#include <fenv.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

mcp_torch_open_function mcp_torch_open;
mcp_torch_map_function mcp_torch_map;
mcp_torch_close_function mcp_torch_close;

/* Written in engine.py. */
static mcp_torch_open_function python_open;
static mcp_torch_map_function python_map;
static mcp_torch_close_function python_close;

static pthread_once_t start_once = PTHREAD_ONCE_INIT;
static bool started;
static char failure[1024];

/* From a wrong PYTHONHOME Python would write a page about it to stderr: look first. */
static bool home_is_right(void) {
    const char *home = getenv("PYTHONHOME");
    if (home == NULL || *home == '\0')
        return true;
    char library[4096];
    snprintf(library, sizeof library, "%.*s/%s", (int)strcspn(home, ":"), home, standard_library);
    if (access(library, R_OK) == 0)
        return true;
    snprintf(failure, sizeof failure,
             "Python %s cannot be started for torch: PYTHONHOME is %s, which has no %s: unset it",
             PY_VERSION, home, standard_library);
    return false;
}

/* Python finds its own modules from where its program is: in a folder above that of its library. */
static const char *find_program(void) {
    static char program[PATH_MAX + sizeof program_name];
    char folder[PATH_MAX];
    Dl_info libpython;
    if (dladdr((void *)(uintptr_t)Py_GetVersion, &libpython) == 0 ||
        realpath(libpython.dli_fname, folder) == NULL)
        return NULL;
    for (char *end = strrchr(folder, '/'); end != NULL; end = strrchr(folder, '/')) {
        *end = '\0';
        snprintf(program, sizeof program, "%s/%s", folder, program_name);
        if (access(program, X_OK) == 0)
            return program;
    }
    return NULL;
}

static bool start_interpreter(void) {
    if (!home_is_right())
        return false;
    const char *program = find_program();
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* whatever the host's locale is */
    PyStatus status = Py_PreInitialize(&before);

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.isolated = 0;
    config.use_environment = 1;
    config.user_site_directory = 1;
    config.site_import = 0; /* search_path.py does it, in its own order */
    config.pathconfig_warnings = 0;
    if (!PyStatus_Exception(status) && program != NULL)
        status = PyConfig_SetBytesString(&config, &config.program_name, program);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        snprintf(failure, sizeof failure, "Python %s cannot be started for torch: %s", PY_VERSION,
                 status.err_msg);
        return false;
    }
    PyEval_SaveThread();
    return true;
}

/* Run search_path.py; it reports by a variable and lets no exception out. */
static bool find_packages(bool started_here) {
    Dl_info self = {0};
    dladdr(&start_once, &self);

    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = NULL;
    PyObject *code = Py_CompileString(search_path_code, "search_path.py", Py_file_input);
    PyObject *names =
        Py_BuildValue("{s:O,s:O,s:N}", "__builtins__", PyEval_GetBuiltins(), "started_here",
                      started_here ? Py_True : Py_False, "library",
                      PyUnicode_DecodeFSDefault(self.dli_fname != NULL ? self.dli_fname : ""));
    if (code != NULL && names != NULL)
        result = PyEval_EvalCode(code, names, names);
    const char *reason = NULL;
    if (result != NULL)
        reason = PyUnicode_AsUTF8(PyDict_GetItemString(names, "failure"));
    if (reason == NULL)
        reason = "embedded Python is out of memory";
    snprintf(failure, sizeof failure, "%s", reason);
    PyErr_Clear();
    Py_XDECREF(result);
    Py_XDECREF(names);
    Py_XDECREF(code);
    PyGILState_Release(gil);
    return failure[0] == '\0';
}

static void start(void) {
    bool started_here = !Py_IsInitialized();
    if (started_here && !start_interpreter())
        return;
    if (!find_packages(started_here))
        return;
    /* Up to Python 3.11 cffi's own lock is the version tag of this type, and a tag that is in use
     * looks to it like a lock that never opens. */
    PyGILState_STATE gil = PyGILState_Ensure();
    PyType_Modified(&PyCapsule_Type);
    started = cffi_start_python() == 0;
    PyGILState_Release(gil);
    if (!started)
        snprintf(failure, sizeof failure, "cffi %s cannot be started in Python %s", cffi_version,
                 PY_VERSION);
}

/*
 * What Python would meet or change in the host's thread: the floating-point exceptions at which the
 * host was compiled to stop, and the number of OpenMP threads, which torch sets for itself.
 */
typedef struct host_thread {
    fenv_t floating_point;
    int openmp_threads;
} host_thread;

static pthread_once_t openmp_once = PTHREAD_ONCE_INIT;
static int (*get_openmp_threads)(void);
static void (*set_openmp_threads)(int);

/* Of the host, if it has any: looked for before torch comes with its own. */
static void find_openmp(void) {
    *(void **)&get_openmp_threads = dlsym(RTLD_DEFAULT, "omp_get_max_threads");
    *(void **)&set_openmp_threads = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
}

static host_thread enter(char *text, size_t text_size) {
    host_thread host = {0};
    feholdexcept(&host.floating_point);
    pthread_once(&openmp_once, find_openmp);
    if (set_openmp_threads != NULL && get_openmp_threads != NULL)
        host.openmp_threads = get_openmp_threads();
    pthread_once(&start_once, start);
    if (text_size > 0)
        snprintf(text, text_size, "%s", failure);
    return host;
}

static void leave(const host_thread *host) {
    if (host->openmp_threads > 0)
        set_openmp_threads(host->openmp_threads);
    fesetenv(&host->floating_point);
}

int mcp_torch_open(const char *device, uint64_t *engine, double *theta_lo, double *theta_hi,
                   char *text, size_t text_size) {
    const host_thread host = enter(text, text_size);
    int status = MCP_ERROR_TORCH;
    if (started)
        status = python_open(device, engine, theta_lo, theta_hi, text, text_size);
    leave(&host);
    return status;
}

int mcp_torch_map(uint64_t engine, size_t n, const double *radius, const double *theta,
                  size_t n_theta, double *u, char *text, size_t text_size) {
    const host_thread host = enter(text, text_size);
    int status = MCP_ERROR_TORCH;
    if (started)
        status = python_map(engine, n, radius, theta, n_theta, u, text, text_size);
    leave(&host);
    return status;
}

void mcp_torch_close(uint64_t engine) {
    const host_thread host = enter(NULL, 0);
    if (started)
        python_close(engine);
    leave(&host);
}
