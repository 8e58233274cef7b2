// Misuses OpenCL in every way that opencl.c is to find, one by each argument, to see that it finds them.
//
//     clang -o misuse misuse.c -lOpenCL
//     LD_PRELOAD=./opencl.so GIMBAL_FAULT_REPORT=FILE ./misuse read-beyond-end
//
// Without an argument it does nothing wrong; --list prints the ways. Exits with 0, or with 3 where there is no device.
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const ways[] = {
    "use-after-release", "release-twice", "release-nothing", "never-made", "wrong-kind", "read-beyond-end",
    "write-beyond-end", "copy-beyond-end", "copy-onto-itself", "fill-beyond-end", "map-beyond-end", "unmap-unmapped",
    "released-argument", "argument-released-later", "argument-not-set", "groups-do-not-divide", "released-event",
    "released-queue", "released-program", "buffer-outlives", "event-outlives", "kernel-outlives",
};
static const char *chosen = "";

static int is(const char *way) { return !strcmp(chosen, way); }

static void must(cl_int code, const char *what) {
    if (code == CL_SUCCESS) return;
    fprintf(stderr, "%s: %d\n", what, code);
    exit(1);
}

int main(int count, char **words) {
    if (count > 1) chosen = words[1];
    if (is("--list")) {
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) puts(ways[i]);
        return 0;
    }
    cl_platform_id platform;
    cl_device_id device;
    if (clGetPlatformIDs(1, &platform, NULL)) return 3;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL)) return 3;
    cl_int code;
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    must(code, "context");
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &code);
    must(code, "queue");
    cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, 256, NULL, &code);
    must(code, "buffer");
    cl_mem other = clCreateBuffer(context, CL_MEM_READ_WRITE, 256, NULL, &code);
    must(code, "other buffer");
    const char *text = "kernel void add(global int *x, int by) { x[get_global_id(0)] += by; }";
    cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, &code);
    must(code, "program");
    must(clBuildProgram(program, 1, &device, "", NULL, NULL), "build");
    cl_kernel kernel = clCreateKernel(program, "add", &code);
    must(code, "kernel");

    int zero = 0, bytes[64] = {0};
    size_t grid = 64, group = is("groups-do-not-divide") ? 48 : 16;
    cl_event event = NULL;
    // Allowed: a buffer's last bytes, a second reference, an unmap of what is mapped.
    must(clEnqueueWriteBuffer(queue, buffer, CL_TRUE, 128, 128, bytes, 0, NULL, &event), "write");
    must(clWaitForEvents(1, &event), "wait");
    must(clRetainMemObject(buffer), "retain");
    must(clReleaseMemObject(buffer), "release");
    void *mapped = clEnqueueMapBuffer(queue, other, CL_TRUE, CL_MAP_READ, 0, 256, 0, NULL, NULL, &code);
    must(code, "map");
    must(clEnqueueUnmapMemObject(queue, other, mapped, 0, NULL, NULL), "unmap");

    if (is("use-after-release")) {
        clReleaseMemObject(other);
        clEnqueueCopyBuffer(queue, buffer, other, 0, 0, 4, 0, NULL, NULL);
    }
    if (is("release-twice")) clReleaseMemObject(other), clReleaseMemObject(other);
    if (is("release-nothing")) clReleaseMemObject(NULL);
    if (is("never-made")) clReleaseMemObject((cl_mem)&zero);
    if (is("wrong-kind")) clReleaseMemObject((cl_mem)kernel);
    if (is("read-beyond-end")) clEnqueueReadBuffer(queue, buffer, CL_TRUE, 4, 256, bytes, 0, NULL, NULL);
    if (is("write-beyond-end")) clEnqueueWriteBuffer(queue, buffer, CL_TRUE, 257, 4, bytes, 0, NULL, NULL);
    if (is("copy-beyond-end")) clEnqueueCopyBuffer(queue, buffer, other, 0, 252, 8, 0, NULL, NULL);
    if (is("copy-onto-itself")) clEnqueueCopyBuffer(queue, buffer, buffer, 0, 4, 8, 0, NULL, NULL);
    if (is("fill-beyond-end")) clEnqueueFillBuffer(queue, buffer, &zero, 4, 0, 260, 0, NULL, NULL);
    if (is("map-beyond-end")) clEnqueueMapBuffer(queue, buffer, CL_TRUE, CL_MAP_READ, 0, 257, 0, NULL, NULL, &code);
    if (is("unmap-unmapped")) clEnqueueUnmapMemObject(queue, other, mapped, 0, NULL, NULL);
    must(clSetKernelArg(kernel, 0, sizeof buffer, &buffer), "argument");
    if (is("released-argument")) {
        clReleaseMemObject(other);
        clSetKernelArg(kernel, 0, sizeof other, &other);
    }
    if (is("argument-released-later")) {
        clSetKernelArg(kernel, 0, sizeof other, &other);
        clReleaseMemObject(other);
    }
    if (!is("argument-not-set")) must(clSetKernelArg(kernel, 1, sizeof zero, &zero), "argument");
    code = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &grid, &group, 0, NULL, NULL);
    if (!*chosen) must(code, "launch");
    must(clFinish(queue), "finish");
    if (is("released-event")) clReleaseEvent(event), clWaitForEvents(1, &event);
    if (is("released-queue")) clReleaseCommandQueue(queue), clFinish(queue);
    if (is("released-program")) clReleaseProgram(program), clCreateKernel(program, "add", &code);

    if (!is("released-event") && !is("event-outlives")) clReleaseEvent(event);
    if (!is("kernel-outlives")) clReleaseKernel(kernel);
    if (!is("released-program")) clReleaseProgram(program);
    if (!is("use-after-release") && !is("release-twice") && !is("released-argument") && !is("argument-released-later"))
        clReleaseMemObject(other);
    if (!is("buffer-outlives")) clReleaseMemObject(buffer);
    if (!is("released-queue")) clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return 0;
}
