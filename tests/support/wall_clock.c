/* Loaded before libc: a process's wall clock, so many seconds ahead as the file says that TAILFILL_TEST_CLOCK names. Beside
   it an empty file is made for each number that the process has seen. The monotonic clock is left alone. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long seconds_ahead(void) {
    const char *path = getenv("TAILFILL_TEST_CLOCK");
    char text[32], seen[4096];
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length < 0 ? 0 : length] = 0;
    long long ahead = atoll(text);
    snprintf(seen, sizeof seen, "%s.seen.%lld", path, ahead);
    file = open(seen, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) close(file);
    return ahead;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = (int)syscall(SYS_clock_gettime, clock, now);
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += seconds_ahead();
    return code;
}
