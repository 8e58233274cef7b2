// Stands between a program and OpenCL: lets calls fail as a driver may, counts them, and checks how objects are used.
//
//     clang -O2 -shared -fPIC -o opencl.so opencl.c
//     LD_PRELOAD=./opencl.so GIMBAL_FAULT=clCreateBuffer:5:CL_OUT_OF_RESOURCES GIMBAL_FAULT_REPORT=FILE gimbal train …
//     LD_PRELOAD=./opencl.so GIMBAL_FAULT=clGetDeviceInfo/CL_DEVICE_TYPE:1 GIMBAL_FAULT_REPORT=FILE gimbal devices
//
// The environment is that of fault.h. CALL is any function below; a PARAMETER is what a clGet…Info is asked for. A call
// that fails does nothing else.
//
// Of contexts, queues, buffers, programs, kernels and events references are counted. At once a line `misuse CALL: …` is
// reported of an object that is used after its last reference is gone, or never was there; of reads, writes, copies,
// fills and maps beyond a buffer's end, and copies onto themselves; of what is unmapped without a map; of launches
// with arguments that are not set or are buffers that are gone, and of groups that do not divide the grid. Such a call
// gets the specification's error and does not reach the driver.
//
// At the end, and after each GIMBAL_LIVE_EVERY launches, `live KIND count of MADE` is reported for every kind; at the end
// also a line `object KIND number, …` for some that live, and a misuse for each whose context is gone. What a living context
// holds is no leak by itself: what grows with the work is.
//
// Calls that a driver makes of its own accord are not seen, nor is what lies in buffers.
#include "fault.h"
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <pthread.h>

#define CL_PLATFORM_NOT_FOUND_KHR -1001

// The functions, and the errors by which a driver answers a right call, after OpenCL 1.2 and 3.0: the usual one first.
#define MEMORY "CL_OUT_OF_RESOURCES CL_OUT_OF_HOST_MEMORY"
#define FUNCTIONS(F)                                                                                                  \
    F(clGetPlatformIDs, "CL_OUT_OF_HOST_MEMORY CL_PLATFORM_NOT_FOUND_KHR CL_INVALID_VALUE")                           \
    F(clGetPlatformInfo, "CL_OUT_OF_HOST_MEMORY CL_INVALID_PLATFORM CL_INVALID_VALUE")                                \
    F(clGetDeviceIDs, MEMORY " CL_DEVICE_NOT_FOUND CL_INVALID_PLATFORM")                                              \
    F(clGetDeviceInfo, MEMORY " CL_INVALID_DEVICE CL_INVALID_VALUE")                                                  \
    F(clCreateContext, MEMORY " CL_DEVICE_NOT_AVAILABLE CL_INVALID_DEVICE")                                           \
    F(clRetainContext, MEMORY)                                                                                        \
    F(clReleaseContext, MEMORY)                                                                                       \
    F(clGetContextInfo, MEMORY " CL_INVALID_VALUE")                                                                   \
    F(clCreateCommandQueue, MEMORY " CL_INVALID_DEVICE")                                                              \
    F(clRetainCommandQueue, MEMORY)                                                                                   \
    F(clReleaseCommandQueue, MEMORY)                                                                                  \
    F(clGetCommandQueueInfo, MEMORY " CL_INVALID_VALUE")                                                              \
    F(clCreateBuffer, "CL_MEM_OBJECT_ALLOCATION_FAILURE " MEMORY " CL_INVALID_BUFFER_SIZE")                           \
    F(clRetainMemObject, MEMORY)                                                                                      \
    F(clReleaseMemObject, MEMORY)                                                                                     \
    F(clGetMemObjectInfo, MEMORY " CL_INVALID_VALUE")                                                                 \
    F(clCreateProgramWithSource, MEMORY)                                                                              \
    F(clCreateProgramWithBinary, "CL_INVALID_BINARY " MEMORY)                                                         \
    F(clRetainProgram, MEMORY)                                                                                        \
    F(clReleaseProgram, MEMORY)                                                                                       \
    F(clBuildProgram, "CL_BUILD_PROGRAM_FAILURE " MEMORY " CL_COMPILER_NOT_AVAILABLE CL_INVALID_BINARY")              \
    F(clGetProgramInfo, MEMORY " CL_INVALID_PROGRAM_EXECUTABLE")                                                      \
    F(clGetProgramBuildInfo, MEMORY " CL_INVALID_VALUE")                                                              \
    F(clCreateKernel, MEMORY " CL_INVALID_KERNEL_NAME CL_INVALID_PROGRAM_EXECUTABLE")                                 \
    F(clRetainKernel, MEMORY)                                                                                         \
    F(clReleaseKernel, MEMORY)                                                                                        \
    F(clGetKernelInfo, MEMORY " CL_INVALID_VALUE")                                                                    \
    F(clGetKernelWorkGroupInfo, MEMORY " CL_INVALID_VALUE")                                                           \
    F(clSetKernelArg, MEMORY " CL_INVALID_ARG_VALUE")                                                                 \
    F(clEnqueueNDRangeKernel, MEMORY " CL_MEM_OBJECT_ALLOCATION_FAILURE CL_INVALID_WORK_GROUP_SIZE")                  \
    F(clEnqueueReadBuffer, MEMORY " CL_MEM_OBJECT_ALLOCATION_FAILURE CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST")   \
    F(clEnqueueWriteBuffer, MEMORY " CL_MEM_OBJECT_ALLOCATION_FAILURE CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST")  \
    F(clEnqueueCopyBuffer, MEMORY " CL_MEM_OBJECT_ALLOCATION_FAILURE")                                                \
    F(clEnqueueFillBuffer, MEMORY " CL_MEM_OBJECT_ALLOCATION_FAILURE")                                                \
    F(clEnqueueMapBuffer, "CL_MAP_FAILURE " MEMORY " CL_MEM_OBJECT_ALLOCATION_FAILURE")                               \
    F(clEnqueueUnmapMemObject, MEMORY)                                                                                \
    F(clFlush, MEMORY " CL_INVALID_COMMAND_QUEUE")                                                                    \
    F(clFinish, MEMORY " CL_INVALID_COMMAND_QUEUE")                                                                   \
    F(clWaitForEvents, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST " MEMORY)                                        \
    F(clRetainEvent, MEMORY)                                                                                          \
    F(clReleaseEvent, MEMORY)                                                                                         \
    F(clGetEventInfo, MEMORY " CL_INVALID_VALUE")

#define ENUMERATE(function, errors) at_##function,
typedef enum { FUNCTIONS(ENUMERATE) function_count } function;
#define DESCRIBE(function, errors) {#function, errors},
static const struct { const char *name, *errors; } functions[] = {FUNCTIONS(DESCRIBE)};

#define NAMED(name) {#name, name}
static const named errors[] = {
    NAMED(CL_DEVICE_NOT_FOUND), NAMED(CL_DEVICE_NOT_AVAILABLE), NAMED(CL_COMPILER_NOT_AVAILABLE),
    NAMED(CL_MEM_OBJECT_ALLOCATION_FAILURE), NAMED(CL_OUT_OF_RESOURCES), NAMED(CL_OUT_OF_HOST_MEMORY),
    NAMED(CL_BUILD_PROGRAM_FAILURE), NAMED(CL_MAP_FAILURE), NAMED(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
    NAMED(CL_INVALID_VALUE), NAMED(CL_INVALID_PLATFORM), NAMED(CL_INVALID_DEVICE), NAMED(CL_INVALID_COMMAND_QUEUE),
    NAMED(CL_INVALID_BINARY), NAMED(CL_INVALID_PROGRAM_EXECUTABLE), NAMED(CL_INVALID_KERNEL_NAME),
    NAMED(CL_INVALID_ARG_VALUE), NAMED(CL_INVALID_WORK_GROUP_SIZE), NAMED(CL_INVALID_BUFFER_SIZE),
    NAMED(CL_PLATFORM_NOT_FOUND_KHR),
};

// What queries ask for; any other by its number. No two of OpenCL's have the same.
static const named parameters[] = {
    NAMED(CL_PLATFORM_PROFILE), NAMED(CL_PLATFORM_VERSION), NAMED(CL_PLATFORM_NAME), NAMED(CL_PLATFORM_VENDOR),
    NAMED(CL_PLATFORM_EXTENSIONS), NAMED(CL_DEVICE_TYPE), NAMED(CL_DEVICE_VENDOR_ID),
    NAMED(CL_DEVICE_MAX_COMPUTE_UNITS), NAMED(CL_DEVICE_MAX_WORK_GROUP_SIZE), NAMED(CL_DEVICE_MAX_WORK_ITEM_SIZES),
    NAMED(CL_DEVICE_MAX_CLOCK_FREQUENCY), NAMED(CL_DEVICE_MAX_MEM_ALLOC_SIZE), NAMED(CL_DEVICE_SINGLE_FP_CONFIG),
    NAMED(CL_DEVICE_DOUBLE_FP_CONFIG), NAMED(CL_DEVICE_GLOBAL_MEM_SIZE), NAMED(CL_DEVICE_GLOBAL_MEM_CACHE_SIZE),
    NAMED(CL_DEVICE_LOCAL_MEM_TYPE), NAMED(CL_DEVICE_LOCAL_MEM_SIZE), NAMED(CL_DEVICE_AVAILABLE),
    NAMED(CL_DEVICE_COMPILER_AVAILABLE), NAMED(CL_DEVICE_NAME), NAMED(CL_DEVICE_VENDOR), NAMED(CL_DRIVER_VERSION),
    NAMED(CL_DEVICE_VERSION), NAMED(CL_DEVICE_EXTENSIONS), NAMED(CL_DEVICE_PLATFORM),
    NAMED(CL_DEVICE_HOST_UNIFIED_MEMORY), NAMED(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT), NAMED(CL_PROGRAM_NUM_DEVICES),
    NAMED(CL_PROGRAM_BINARY_SIZES), NAMED(CL_PROGRAM_BINARIES), NAMED(CL_PROGRAM_BUILD_STATUS),
    NAMED(CL_PROGRAM_BUILD_LOG), NAMED(CL_KERNEL_NUM_ARGS), NAMED(CL_KERNEL_WORK_GROUP_SIZE),
    NAMED(CL_KERNEL_LOCAL_MEM_SIZE), NAMED(CL_KERNEL_PRIVATE_MEM_SIZE), NAMED(CL_EVENT_COMMAND_EXECUTION_STATUS),
};
#define COUNT(array) (sizeof array / sizeof *array)

static const char *name_of(long value, const named *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (names[i].value == value) return names[i].name;
    return NULL;
}

// MARK: Counting and failing

// Held for all that follows, and never over a call of the driver.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long long counts[function_count];
// Of queries: how often each was asked.
static struct { function asker; long parameter; unsigned long long count; } asked[256];
static unsigned long long due;
static int failing = -1;
static long failing_parameter = -1;
static cl_int code;
static bool was_said;

// Launches between two reports of what lives; 0 for none before the end.
static unsigned long long live_every;

__attribute__((constructor)) static void begin(void) {
    const char *every = getenv("GIMBAL_LIVE_EVERY");
    if (every) live_every = strtoull(every, NULL, 10);
    read_fault();
    if (!fault.first) return;
    for (int i = 0; i < function_count; i++)
        if (!strcmp(fault.call, functions[i].name)) failing = i;
    if (failing < 0) refuse_fault();
    if (!fault.error[0]) sscanf(functions[failing].errors, "%63s", fault.error);
    code = (cl_int)value_of(fault.error, errors, COUNT(errors), 0);
    if (fault.parameter[0]) failing_parameter = value_of(fault.parameter, parameters, COUNT(parameters), -1);
    if (code >= 0 || (fault.parameter[0] && failing_parameter < 0)) refuse_fault();
}

static cl_int answer(function call, long parameter) {
    pthread_mutex_lock(&lock);
    unsigned long long n = ++counts[call];
    bool fails = false;
    for (size_t i = 0; parameter >= 0 && i < COUNT(asked); i++) {
        if (asked[i].count && (asked[i].asker != call || asked[i].parameter != parameter)) continue;
        asked[i].asker = call;
        asked[i].parameter = parameter;
        asked[i].count++;
        break;
    }
    if ((int)call == failing && (failing_parameter < 0 || failing_parameter == parameter)) fails = is_due(++due);
    if (fails && !was_said) {
        was_said = true;
        const char *name = name_of(parameter, parameters, COUNT(parameters));
        say("failed %s %llu: %s%s%s\n", functions[call].name, n, fault.error, name ? ", " : "", name ? name : "");
    }
    pthread_mutex_unlock(&lock);
    return fails ? code : CL_SUCCESS;
}

// MARK: Objects

typedef enum { context, queue, buffer, program, kernel, event, kind_count } kind;
static const char *const kinds[] = {"context", "queue", "buffer", "program", "kernel", "event"};
static const cl_int invalid[] = {
    CL_INVALID_CONTEXT, CL_INVALID_COMMAND_QUEUE, CL_INVALID_MEM_OBJECT, CL_INVALID_PROGRAM, CL_INVALID_KERNEL,
    CL_INVALID_EVENT,
};

// A handle that the driver gave out, and which of its owners it was: drivers give addresses out again.
typedef struct { void *handle; unsigned long long number; } reference;

typedef struct { bool is_set; reference buffer; } argument;

typedef struct object {
    struct object *next;
    kind kind;
    reference self, context;
    long count;
    size_t size;
    unsigned maps;
    argument *arguments;
    cl_uint argument_count;
} object;

static object *table[4096];
static unsigned long long made[kind_count];

static object **place(void *handle) {
    object **at = &table[((uintptr_t)handle >> 4) % COUNT(table)];
    while (*at && (*at)->self.handle != handle) at = &(*at)->next;
    return at;
}

// The object if it is the one that is meant and lives.
static object *living(reference meant) {
    object *found = meant.handle ? *place(meant.handle) : NULL;
    return found && found->self.number == meant.number && found->count > 0 ? found : NULL;
}

// Notes a new object of the driver's.
static void note(kind kind, void *handle, void *parent, size_t size, cl_uint arguments) {
    pthread_mutex_lock(&lock);
    object **at = place(handle), *new = *at;
    if (!new) *at = new = calloc(1, sizeof *new);
    object *owner = parent ? *place(parent) : NULL, *next = new->next;
    free(new->arguments);
    *new = (object){next, kind, {handle, ++made[kind]}, {NULL, 0}, 1, size, 0, NULL, arguments};
    if (owner) new->context = owner->kind == context ? owner->self : owner->context;
    if (arguments) new->arguments = calloc(arguments, sizeof *new->arguments);
    pthread_mutex_unlock(&lock);
}

// The object of this kind if it lives, else nil and a report. To be called under the lock.
static object *use(kind kind, void *handle, const char *call) {
    object *found = handle ? *place(handle) : NULL;
    if (!handle) say("misuse %s: the %s is NULL\n", call, kinds[kind]);
    else if (!found || found->kind != kind) say("misuse %s: no %s was ever made at %p\n", call, kinds[kind], handle);
    else if (found->count <= 0) say("misuse %s: %s %llu is released\n", call, kinds[kind], found->self.number);
    else return found;
    return NULL;
}

static cl_int check(kind kind, void *handle, const char *call) {
    pthread_mutex_lock(&lock);
    bool lives = use(kind, handle, call);
    pthread_mutex_unlock(&lock);
    return lives ? CL_SUCCESS : invalid[kind];
}

static cl_int check_events(cl_uint count, const cl_event *events, const char *call) {
    for (cl_uint i = 0; i < count; i++)
        if (check(event, events[i], call)) return CL_INVALID_EVENT_WAIT_LIST;
    return CL_SUCCESS;
}

// Whether bytes lie in a buffer.
static cl_int check_range(cl_mem memory, size_t offset, size_t size, const char *call) {
    pthread_mutex_lock(&lock);
    object *found = use(buffer, memory, call);
    cl_int result = found ? CL_SUCCESS : CL_INVALID_MEM_OBJECT;
    if (found && (!size || offset > found->size || size > found->size - offset)) {
        say("misuse %s: %zu bytes from %zu on of buffer %llu, which has %zu\n", call, size, offset, found->self.number,
            found->size);
        result = CL_INVALID_VALUE;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static cl_int check_launch(
    cl_kernel launched, cl_uint dimensions, const size_t *grid, const size_t *group, const char *call
) {
    pthread_mutex_lock(&lock);
    object *found = use(kernel, launched, call);
    cl_int result = found ? CL_SUCCESS : CL_INVALID_KERNEL;
    for (cl_uint i = 0; found && i < found->argument_count; i++) {
        argument *at = &found->arguments[i];
        if (!at->is_set) say("misuse %s: argument %u of kernel %llu is not set\n", call, i, found->self.number);
        else if (at->buffer.handle && !living(at->buffer))
            say("misuse %s: argument %u of kernel %llu is buffer %llu, which is released\n", call, i,
                found->self.number, at->buffer.number);
        else continue;
        result = CL_INVALID_KERNEL_ARGS;
    }
    for (cl_uint i = 0; found && grid && group && i < dimensions; i++) {
        if (group[i] && grid[i] % group[i] == 0) continue;
        say("misuse %s: %zu work-items of kernel %llu in groups of %zu\n", call, grid[i], found->self.number,
            group[i]);
        result = CL_INVALID_WORK_GROUP_SIZE;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

// A kernel's argument, where it is a buffer: nothing else has the size of a handle and the value of one.
static cl_int check_argument(cl_kernel owner, cl_uint index, size_t size, const void *value, const char *call) {
    pthread_mutex_lock(&lock);
    object *found = use(kernel, owner, call), *given = NULL;
    cl_int result = found ? CL_SUCCESS : CL_INVALID_KERNEL;
    void *handle = NULL;
    if (value && size == sizeof handle) memcpy(&handle, value, size);
    if (handle) given = *place(handle);
    if (found && given && given->kind == buffer && given->count <= 0) {
        say("misuse %s: argument %u of kernel %llu is buffer %llu, which is released\n", call, index,
            found->self.number, given->self.number);
        result = CL_INVALID_MEM_OBJECT;
    }
    if (found && index < found->argument_count) {
        reference held = given && given->kind == buffer ? given->self : (reference){NULL, 0};
        found->arguments[index] = (argument){result == CL_SUCCESS, held};
    }
    pthread_mutex_unlock(&lock);
    return result;
}

// Counted before the driver is called, which may give the address out again at once.
static void change_count(void *handle, long change) {
    pthread_mutex_lock(&lock);
    (*place(handle))->count += change;
    pthread_mutex_unlock(&lock);
}

// The lock is held.
static void say_live(const long *live) {
    for (int i = 0; i < kind_count; i++) say("live %s %ld of %llu\n", kinds[i], live[i], made[i]);
}

// Reports what lives where it is time to.
static void look(void) {
    pthread_mutex_lock(&lock);
    if (live_every && counts[at_clEnqueueNDRangeKernel] % live_every == 0) {
        long live[kind_count] = {0};
        for (size_t i = 0; i < COUNT(table); i++)
            for (object *at = table[i]; at; at = at->next) live[at->kind] += at->count > 0;
        say_live(live);
    }
    pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void end(void) {
    pthread_mutex_lock(&lock);
    long live[kind_count] = {0};
    for (size_t i = 0; i < COUNT(table); i++) {
        for (object *at = table[i]; at; at = at->next) {
            if (at->count <= 0) continue;
            if (++live[at->kind] <= 32)
                say("object %s %llu, of %zu bytes, count %ld\n", kinds[at->kind], at->self.number, at->size, at->count);
            if (at->kind != context && !living(at->context))
                say("misuse at the end: %s %llu of %zu bytes outlives its context\n", kinds[at->kind], at->self.number,
                    at->size);
        }
    }
    say_live(live);
    for (size_t i = 0; i < COUNT(asked) && asked[i].count; i++) {
        char number[32];
        snprintf(number, sizeof number, "0x%lx", asked[i].parameter);
        const char *name = name_of(asked[i].parameter, parameters, COUNT(parameters));
        say("calls %s/%s %llu %s\n", functions[asked[i].asker].name, name ? name : number, asked[i].count,
            functions[asked[i].asker].errors);
    }
    for (int i = 0; i < function_count; i++)
        say("calls %s %llu %s\n", functions[i].name, counts[i], functions[i].errors);
    pthread_mutex_unlock(&lock);
}

// MARK: The functions

// A code that is an error is the call's answer.
#define ANSWER(...)                                 \
    do {                                            \
        cl_int code_ = (__VA_ARGS__);               \
        if (code_ != CL_SUCCESS) return code_;      \
    } while (0)

// The same where an object is returned, and the code stored.
#define ANSWER_NONE(...)                            \
    do {                                            \
        cl_int code_ = (__VA_ARGS__);               \
        if (code_ != CL_SUCCESS) {                  \
            if (result) *result = code_;            \
            return NULL;                            \
        }                                           \
    } while (0)

cl_int clGetPlatformIDs(cl_uint count, cl_platform_id *platforms, cl_uint *found) {
    REAL(clGetPlatformIDs)
    ANSWER(answer(at_clGetPlatformIDs, -1));
    return real(count, platforms, found);
}

cl_int clGetDeviceIDs(
    cl_platform_id platform, cl_device_type type, cl_uint count, cl_device_id *devices, cl_uint *found
) {
    REAL(clGetDeviceIDs)
    ANSWER(answer(at_clGetDeviceIDs, -1));
    return real(platform, type, count, devices, found);
}

// A query of what is not counted: a platform or a device.
#define QUERY_OF_DEVICE(function, owner_type, info_type)                                                 \
    cl_int function(owner_type owner, info_type info, size_t size, void *value, size_t *needed) {        \
        REAL(function)                                                                                   \
        ANSWER(answer(at_##function, info));                                                             \
        return real(owner, info, size, value, needed);                                                   \
    }
QUERY_OF_DEVICE(clGetPlatformInfo, cl_platform_id, cl_platform_info)
QUERY_OF_DEVICE(clGetDeviceInfo, cl_device_id, cl_device_info)

#define QUERY(function, kind, owner_type, info_type)                                                     \
    cl_int function(owner_type owner, info_type info, size_t size, void *value, size_t *needed) {        \
        REAL(function)                                                                                   \
        ANSWER(check(kind, owner, __func__));                                                            \
        ANSWER(answer(at_##function, info));                                                             \
        return real(owner, info, size, value, needed);                                                   \
    }
QUERY(clGetContextInfo, context, cl_context, cl_context_info)
QUERY(clGetCommandQueueInfo, queue, cl_command_queue, cl_command_queue_info)
QUERY(clGetMemObjectInfo, buffer, cl_mem, cl_mem_info)
QUERY(clGetProgramInfo, program, cl_program, cl_program_info)
QUERY(clGetKernelInfo, kernel, cl_kernel, cl_kernel_info)
QUERY(clGetEventInfo, event, cl_event, cl_event_info)

#define QUERY_ON_DEVICE(function, kind, owner_type, info_type)                                           \
    cl_int function(                                                                                     \
        owner_type owner, cl_device_id device, info_type info, size_t size, void *value, size_t *needed  \
    ) {                                                                                                  \
        REAL(function)                                                                                   \
        ANSWER(check(kind, owner, __func__));                                                            \
        ANSWER(answer(at_##function, info));                                                             \
        return real(owner, device, info, size, value, needed);                                           \
    }
QUERY_ON_DEVICE(clGetProgramBuildInfo, program, cl_program, cl_program_build_info)
QUERY_ON_DEVICE(clGetKernelWorkGroupInfo, kernel, cl_kernel, cl_kernel_work_group_info)

#define RETAIN(function, kind, type)                    \
    cl_int function(type object) {                      \
        REAL(function)                                  \
        ANSWER(check(kind, object, __func__));          \
        ANSWER(answer(at_##function, -1));              \
        change_count(object, 1);                        \
        return real(object);                            \
    }
RETAIN(clRetainContext, context, cl_context)
RETAIN(clRetainCommandQueue, queue, cl_command_queue)
RETAIN(clRetainMemObject, buffer, cl_mem)
RETAIN(clRetainProgram, program, cl_program)
RETAIN(clRetainKernel, kernel, cl_kernel)
RETAIN(clRetainEvent, event, cl_event)

#define RELEASE(function, kind, type)                   \
    cl_int function(type object) {                      \
        REAL(function)                                  \
        ANSWER(check(kind, object, __func__));          \
        ANSWER(answer(at_##function, -1));              \
        change_count(object, -1);                       \
        return real(object);                            \
    }
RELEASE(clReleaseContext, context, cl_context)
RELEASE(clReleaseCommandQueue, queue, cl_command_queue)
RELEASE(clReleaseMemObject, buffer, cl_mem)
RELEASE(clReleaseProgram, program, cl_program)
RELEASE(clReleaseKernel, kernel, cl_kernel)
RELEASE(clReleaseEvent, event, cl_event)

cl_context clCreateContext(
    const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,
    void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data, cl_int *result
) {
    REAL(clCreateContext)
    ANSWER_NONE(answer(at_clCreateContext, -1));
    cl_context made = real(properties, count, devices, notify, data, result);
    if (made) note(context, made, NULL, 0, 0);
    return made;
}

cl_command_queue clCreateCommandQueue(
    cl_context owner, cl_device_id device, cl_command_queue_properties properties, cl_int *result
) {
    REAL(clCreateCommandQueue)
    ANSWER_NONE(check(context, owner, __func__));
    ANSWER_NONE(answer(at_clCreateCommandQueue, -1));
    cl_command_queue made = real(owner, device, properties, result);
    if (made) note(queue, made, owner, 0, 0);
    return made;
}

cl_mem clCreateBuffer(cl_context owner, cl_mem_flags flags, size_t size, void *host, cl_int *result) {
    REAL(clCreateBuffer)
    ANSWER_NONE(check(context, owner, __func__));
    ANSWER_NONE(answer(at_clCreateBuffer, -1));
    cl_mem made = real(owner, flags, size, host, result);
    if (made) note(buffer, made, owner, size, 0);
    return made;
}

cl_program clCreateProgramWithSource(
    cl_context owner, cl_uint count, const char **texts, const size_t *lengths, cl_int *result
) {
    REAL(clCreateProgramWithSource)
    ANSWER_NONE(check(context, owner, __func__));
    ANSWER_NONE(answer(at_clCreateProgramWithSource, -1));
    cl_program made = real(owner, count, texts, lengths, result);
    if (made) note(program, made, owner, 0, 0);
    return made;
}

cl_program clCreateProgramWithBinary(
    cl_context owner, cl_uint count, const cl_device_id *devices, const size_t *lengths, const unsigned char **binaries,
    cl_int *status, cl_int *result
) {
    REAL(clCreateProgramWithBinary)
    ANSWER_NONE(check(context, owner, __func__));
    ANSWER_NONE(answer(at_clCreateProgramWithBinary, -1));
    cl_program made = real(owner, count, devices, lengths, binaries, status, result);
    if (made) note(program, made, owner, 0, 0);
    return made;
}

cl_int clBuildProgram(
    cl_program built, cl_uint count, const cl_device_id *devices, const char *options,
    void(CL_CALLBACK *notify)(cl_program, void *), void *data
) {
    REAL(clBuildProgram)
    ANSWER(check(program, built, __func__));
    ANSWER(answer(at_clBuildProgram, -1));
    return real(built, count, devices, options, notify, data);
}

cl_kernel clCreateKernel(cl_program owner, const char *name, cl_int *result) {
    REAL(clCreateKernel)
    ANSWER_NONE(check(program, owner, __func__));
    ANSWER_NONE(answer(at_clCreateKernel, -1));
    cl_kernel made = real(owner, name, result);
    if (!made) return NULL;
    __typeof__(&clGetKernelInfo) ask = (__typeof__(&clGetKernelInfo))dlsym(RTLD_NEXT, "clGetKernelInfo");
    cl_uint arguments = 0;
    if (ask(made, CL_KERNEL_NUM_ARGS, sizeof arguments, &arguments, NULL) != CL_SUCCESS) arguments = 0;
    note(kernel, made, owner, 0, arguments);
    return made;
}

cl_int clSetKernelArg(cl_kernel owner, cl_uint index, size_t size, const void *value) {
    REAL(clSetKernelArg)
    ANSWER(check(kernel, owner, __func__));
    ANSWER(answer(at_clSetKernelArg, -1));
    ANSWER(check_argument(owner, index, size, value, __func__));
    return real(owner, index, size, value);
}

// What every command has: a queue that lives, events to wait for, and one that it may make.
#define COMMAND(function)                                               \
    REAL(function)                                                      \
    ANSWER(check(queue, commands, __func__));                           \
    ANSWER(check_events(wait_count, waits, __func__))
#define QUEUED(...)                                                     \
    cl_int queued = real(__VA_ARGS__);                                  \
    if (queued == CL_SUCCESS && made) note(event, *made, commands, 0, 0); \
    return queued

cl_int clEnqueueNDRangeKernel(
    cl_command_queue commands, cl_kernel launched, cl_uint dimensions, const size_t *offset, const size_t *grid,
    const size_t *group, cl_uint wait_count, const cl_event *waits, cl_event *made
) {
    COMMAND(clEnqueueNDRangeKernel);
    ANSWER(check_launch(launched, dimensions, grid, group, __func__));
    ANSWER(answer(at_clEnqueueNDRangeKernel, -1));
    look();
    QUEUED(commands, launched, dimensions, offset, grid, group, wait_count, waits, made);
}

cl_int clEnqueueReadBuffer(
    cl_command_queue commands, cl_mem source, cl_bool waits_for_it, size_t offset, size_t size, void *bytes,
    cl_uint wait_count, const cl_event *waits, cl_event *made
) {
    COMMAND(clEnqueueReadBuffer);
    ANSWER(check_range(source, offset, size, __func__));
    ANSWER(answer(at_clEnqueueReadBuffer, -1));
    QUEUED(commands, source, waits_for_it, offset, size, bytes, wait_count, waits, made);
}

cl_int clEnqueueWriteBuffer(
    cl_command_queue commands, cl_mem target, cl_bool waits_for_it, size_t offset, size_t size, const void *bytes,
    cl_uint wait_count, const cl_event *waits, cl_event *made
) {
    COMMAND(clEnqueueWriteBuffer);
    ANSWER(check_range(target, offset, size, __func__));
    ANSWER(answer(at_clEnqueueWriteBuffer, -1));
    QUEUED(commands, target, waits_for_it, offset, size, bytes, wait_count, waits, made);
}

cl_int clEnqueueCopyBuffer(
    cl_command_queue commands, cl_mem source, cl_mem target, size_t from, size_t to, size_t size, cl_uint wait_count,
    const cl_event *waits, cl_event *made
) {
    COMMAND(clEnqueueCopyBuffer);
    ANSWER(check_range(source, from, size, __func__));
    ANSWER(check_range(target, to, size, __func__));
    if (source == target && from < to + size && to < from + size) {
        say("misuse %s: %zu bytes from %zu to %zu of the same buffer\n", __func__, size, from, to);
        return CL_MEM_COPY_OVERLAP;
    }
    ANSWER(answer(at_clEnqueueCopyBuffer, -1));
    QUEUED(commands, source, target, from, to, size, wait_count, waits, made);
}

cl_int clEnqueueFillBuffer(
    cl_command_queue commands, cl_mem target, const void *pattern, size_t pattern_size, size_t offset, size_t size,
    cl_uint wait_count, const cl_event *waits, cl_event *made
) {
    COMMAND(clEnqueueFillBuffer);
    ANSWER(check_range(target, offset, size, __func__));
    if (!pattern_size || offset % pattern_size || size % pattern_size) {
        say("misuse %s: %zu bytes from %zu on by a pattern of %zu\n", __func__, size, offset, pattern_size);
        return CL_INVALID_VALUE;
    }
    ANSWER(answer(at_clEnqueueFillBuffer, -1));
    QUEUED(commands, target, pattern, pattern_size, offset, size, wait_count, waits, made);
}

static void change_maps(cl_mem memory, int change) {
    pthread_mutex_lock(&lock);
    (*place(memory))->maps += change;
    pthread_mutex_unlock(&lock);
}

void *clEnqueueMapBuffer(
    cl_command_queue commands, cl_mem memory, cl_bool waits_for_it, cl_map_flags flags, size_t offset, size_t size,
    cl_uint wait_count, const cl_event *waits, cl_event *made, cl_int *result
) {
    REAL(clEnqueueMapBuffer)
    ANSWER_NONE(check(queue, commands, __func__));
    ANSWER_NONE(check_events(wait_count, waits, __func__));
    ANSWER_NONE(check_range(memory, offset, size, __func__));
    ANSWER_NONE(answer(at_clEnqueueMapBuffer, -1));
    void *bytes = real(commands, memory, waits_for_it, flags, offset, size, wait_count, waits, made, result);
    if (!bytes) return NULL;
    if (made) note(event, *made, commands, 0, 0);
    change_maps(memory, 1);
    return bytes;
}

cl_int clEnqueueUnmapMemObject(
    cl_command_queue commands, cl_mem memory, void *bytes, cl_uint wait_count, const cl_event *waits, cl_event *made
) {
    COMMAND(clEnqueueUnmapMemObject);
    ANSWER(check(buffer, memory, __func__));
    pthread_mutex_lock(&lock);
    object *mapped = *place(memory);
    bool is_mapped = mapped->maps > 0;
    if (!is_mapped) say("misuse %s: buffer %llu is not mapped\n", __func__, mapped->self.number);
    pthread_mutex_unlock(&lock);
    if (!is_mapped) return CL_INVALID_VALUE;
    ANSWER(answer(at_clEnqueueUnmapMemObject, -1));
    change_maps(memory, -1);
    QUEUED(commands, memory, bytes, wait_count, waits, made);
}

cl_int clFlush(cl_command_queue commands) {
    REAL(clFlush)
    ANSWER(check(queue, commands, __func__));
    ANSWER(answer(at_clFlush, -1));
    return real(commands);
}

cl_int clFinish(cl_command_queue commands) {
    REAL(clFinish)
    ANSWER(check(queue, commands, __func__));
    ANSWER(answer(at_clFinish, -1));
    return real(commands);
}

cl_int clWaitForEvents(cl_uint count, const cl_event *events) {
    REAL(clWaitForEvents)
    ANSWER(check_events(count, events, __func__));
    ANSWER(answer(at_clWaitForEvents, -1));
    return real(count, events);
}
