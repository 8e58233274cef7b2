// Memory that a thread's loops work in.

#include <pthread.h>
#include <stdlib.h>

#include "level_headers.h"

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct memory {
    size_t bytes;
    void *place;
};

static void let_go(void *memory) {
    free(((struct memory *)memory)->place);
    free(memory);
}

static void make_key(void) {
    if (pthread_key_create(&key, let_go) != 0) abort();
}

void *gimbal_thread_memory(size_t bytes) {
    static _Thread_local struct memory *own;
    if (own && own->bytes >= bytes) return own->place;
    pthread_once(&once, make_key);
    if (!own) {
        struct memory *made = calloc(1, sizeof *made);
        if (!made || pthread_setspecific(key, made) != 0) {
            free(made);
            return NULL;
        }
        own = made;
    }
    free(own->place);
    size_t rounded = (bytes + 63) & ~(size_t)63;
    own->place = aligned_alloc(64, rounded);
    own->bytes = own->place ? rounded : 0;
    return own->place;
}
