// Loaded before everything else into a process (LD_PRELOAD), it writes down in their order what the process does to files whose path begins with $TRACE_PREFIX: writes with their
// bytes, truncations, removals, and syncs that have come back. Records go to $TRACE_FILE; WriteTrace.cs reads them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define FDS 65536
#define FILES 4096

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static uint16_t file_of[FDS]; // 0 = not traced
static char *names[FILES];
static uint16_t name_count = 1;
static int trace = -1;
static const char *prefix;

struct __attribute__((packed)) record {
    uint8_t kind; // N name, W write, T truncate, S sync, U unlink
    uint16_t file;
    uint64_t offset;
    uint32_t length;
};

__attribute__((constructor)) static void begin(void) {
    prefix = getenv("TRACE_PREFIX");
    const char *file = getenv("TRACE_FILE");
    if (prefix && file) {
        trace = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

static void put(const void *data, size_t length) {
    const char *rest = data;
    while (length > 0) {
        ssize_t done = syscall(SYS_write, trace, rest, length);
        if (done <= 0) {
            abort();
        }
        rest += done;
        length -= (size_t)done;
    }
}

static void say(uint8_t kind, uint16_t file, uint64_t offset, const void *data, size_t length) {
    struct record r = {kind, file, offset, (uint32_t)length};
    put(&r, sizeof r);
    if (data) {
        put(data, length);
    }
}

// The number of a path; the first time it is told.
static uint16_t number(const char *path) {
    for (uint16_t i = 1; i < name_count; i++) {
        if (strcmp(names[i], path) == 0) {
            return i;
        }
    }
    if (name_count == FILES) {
        abort();
    }
    names[name_count] = strdup(path);
    say('N', name_count, 0, path, strlen(path));
    return name_count++;
}

static int is_traced(const char *path) { return trace >= 0 && path && strncmp(path, prefix, strlen(prefix)) == 0; }

static void opened(int fd, const char *path) {
    if (fd >= 0 && fd < FDS && is_traced(path)) {
        pthread_mutex_lock(&order);
        file_of[fd] = number(path);
        pthread_mutex_unlock(&order);
    }
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        int fd = real(path, flags, mode); \
        opened(fd, path); \
        return fd; \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        int fd = real(folder, path, flags, mode); \
        opened(fd, path); \
        return fd; \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    REAL(close);
    if (fd >= 0 && fd < FDS) {
        file_of[fd] = 0;
    }
    return real(fd);
}

static uint16_t traced(int fd) { return fd >= 0 && fd < FDS ? file_of[fd] : 0; }

ssize_t write(int fd, const void *data, size_t length) {
    REAL(write);
    uint16_t file = traced(fd);
    if (!file) {
        return real(fd, data, length);
    }
    pthread_mutex_lock(&order);
    off64_t at = lseek64(fd, 0, SEEK_CUR);
    ssize_t done = real(fd, data, length);
    if (done > 0) {
        say('W', file, (uint64_t)at, data, (size_t)done);
    }
    pthread_mutex_unlock(&order);
    return done;
}

#define PWRITE(name, offset) \
    ssize_t name(int fd, const void *data, size_t length, offset at) { \
        REAL(name); \
        uint16_t file = traced(fd); \
        if (!file) return real(fd, data, length, at); \
        pthread_mutex_lock(&order); \
        ssize_t done = real(fd, data, length, at); \
        if (done > 0) say('W', file, (uint64_t)at, data, (size_t)done); \
        pthread_mutex_unlock(&order); \
        return done; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset) \
    int name(int fd, offset length) { \
        REAL(name); \
        uint16_t file = traced(fd); \
        if (!file) return real(fd, length); \
        pthread_mutex_lock(&order); \
        int result = real(fd, length); \
        if (result == 0) say('T', file, (uint64_t)length, NULL, 0); \
        pthread_mutex_unlock(&order); \
        return result; \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        uint16_t file = traced(fd); \
        if (!file) return real(fd); \
        pthread_mutex_lock(&order); \
        int result = real(fd); \
        if (result == 0) say('S', file, 0, NULL, 0); \
        pthread_mutex_unlock(&order); \
        return result; \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    REAL(unlink);
    if (!is_traced(path)) {
        return real(path);
    }
    pthread_mutex_lock(&order);
    int result = real(path);
    if (result == 0) {
        say('U', number(path), 0, NULL, 0);
    }
    pthread_mutex_unlock(&order);
    return result;
}
