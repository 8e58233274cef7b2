// check_kernel FILE...: compiles the files, joined in the order given, as one OpenCL C program on the first device.
//
// Exit status: 0 compiled, 1 did not (the compiler's log is on stderr), 2 wrong use, 77 no OpenCL device to compile for.

#include <opencl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAXIMUM_FILES = 64, SKIPPED = 77 };

static void stop(int status, const char *what, const char *detail) {
    fprintf(stderr, "check_kernel: %s%s\n", what, detail);
    exit(status);
}

/// A file's text, ending in NUL.
static char *text_of(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) stop(2, "cannot read ", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = size < 0 ? NULL : calloc((size_t)size + 1, 1);
    if (!text || fread(text, 1, (size_t)size, file) != (size_t)size) stop(2, "cannot read ", path);
    fclose(file);
    return text;
}

/// What makes the compiler name the file in its messages.
static char *line_directive(const char *path) {
    size_t size = strlen(path) + 16;
    char *text = malloc(size);
    if (!text) stop(2, "out of memory", "");
    snprintf(text, size, "\n#line 1 \"%s\"\n", path);
    return text;
}

/// The first device of the first platform that has one.
static cl_device_id first_device(void) {
    cl_platform_id platforms[16];
    cl_uint count = 0;
    if (clGetPlatformIDs(16, platforms, &count) != CL_SUCCESS || count == 0)
        stop(SKIPPED, "skipped, there is no OpenCL platform", "");
    for (cl_uint i = 0; i < count && i < 16; i++) {
        cl_device_id device;
        if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &device, NULL) == CL_SUCCESS) return device;
    }
    stop(SKIPPED, "skipped, there is no OpenCL device", "");
    return NULL;
}

int main(int argument_count, char **arguments) {
    const char *texts[2 * MAXIMUM_FILES];
    const int count = argument_count - 1;
    if (count < 1 || count > MAXIMUM_FILES) stop(2, "usage: check_kernel FILE...", "");
    for (int i = 0; i < count; i++) {
        texts[2 * i] = line_directive(arguments[i + 1]);
        texts[2 * i + 1] = text_of(arguments[i + 1]);
    }

    cl_device_id device = first_device();
    char name[256] = "";
    clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    cl_int error = CL_SUCCESS;
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (error != CL_SUCCESS) stop(1, "no context on ", name);
    cl_program program = clCreateProgramWithSource(context, 2 * (cl_uint)count, texts, NULL, &error);
    if (error != CL_SUCCESS) stop(1, "no program on ", name);
    error = clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL);

    size_t size = 0;
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *log = calloc(size + 1, 1);
    if (log && size) clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    if (log && log[strspn(log, " \n")]) fprintf(stderr, "%s\n", log);
    if (error != CL_SUCCESS) stop(1, "does not compile: ", arguments[count]);
    printf("%s compiles on %s\n", arguments[count], name);

    clReleaseProgram(program);
    clReleaseContext(context);
    return 0;
}
