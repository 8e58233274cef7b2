// The network among the hosts of `hosts`, for kernels without netem: moves IPv4 packets among network namespaces with
// a rate and a delay.
//
//     relay DELAY_MS RATE_MBIT QUEUE_KIB TURN_MS NAMESPACE...
//
// With a TURN_MS other than 0 it runs on each processor in turn for so long: where hosts have processors of their own, all
// of them lend it as much time.
//
// Makes a TUN device `link0` in each of the namespaces (files as /run/netns/host0), prints `ready`, and relays until
// SIGTERM, when it tells on standard error what it carried. A packet to 10.77.0.k goes to the k-th namespace.
//
// Every host has a cable to one switch, of RATE_MBIT in each direction. A packet waits until the cable of its sender is
// free, takes its size over the rate to pass, waits in the switch where the cable of its receiver is busy, and arrives
// DELAY_MS later. The switch drops what would wait behind more than QUEUE_KIB; a sender's own queue holds 8 MiB, more
// than one socket sends unacknowledged. Sizes are those on Ethernet.
//
// All times are computed from the moment at which a packet was read, not from when this program got to run: so the rate
// is exact, and a late wake-up moves the packets due then and no others.
//
// Most of the cost is waking up, about 15 microseconds of a processor in a virtual machine. So the kernel hands over
// what TCP sends in pieces of up to 64 KiB with one header (segmentation offload, as with a network card); `hosts`
// bounds that size by the rate, since a piece arrives as a whole. And what arrives within a twentieth of the delay, 50
// microseconds at most, arrives together.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    most_hosts = 64,
    header = sizeof(struct virtio_net_hdr),
    largest = header + 65536,
    // Preamble, Ethernet header, checksum and gap between frames.
    frame = 8 + 14 + 4 + 12,
    sender_queue = 8 << 20,
    // Packets read from a host before packets due are looked at again.
    batch = 16,
};

typedef struct packet {
    struct packet *next;
    int64_t due;       // when it begins to leave its sender; later, when it arrives
    int64_t duration;  // how long it occupies a cable
    int receiver;
    uint32_t size;
    uint8_t bytes[];
} packet;

typedef struct {
    packet *first, **end;
} queue;

typedef struct {
    int device;
    queue leaving, arriving;
    int64_t sending_until, receiving_until;
    uint64_t packets, bytes, dropped;  // sent by this host
} host;

static const int64_t never = INT64_MAX;
static host hosts[most_hosts];
static int count;
static int64_t delay, slack, longest_wait_to_leave, longest_wait_in_switch;
static double nanoseconds_per_byte;
static int64_t turn, next_turn;
static cpu_set_t processors;
static volatile sig_atomic_t ended;

static void end(int signal) { ended = signal; }

static void fail(const char *what) {
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

static void append(queue *q, packet *p) {
    p->next = NULL;
    *q->end = p;
    q->end = &p->next;
}

static packet *take_first(queue *q) {
    packet *p = q->first;
    q->first = p->next;
    if (!q->first) q->end = &q->first;
    return p;
}

static int open_device(const char *namespace) {
    int entrance = open(namespace, O_RDONLY | O_CLOEXEC);
    if (entrance < 0 || setns(entrance, CLONE_NEWNET)) fail(namespace);
    close(entrance);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0) fail("/dev/net/tun");
    struct ifreq request = {.ifr_name = "link0", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    if (ioctl(device, TUNSETIFF, &request)) fail("cannot make link0");
    if (ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)) fail("cannot offload segmentation");
    return device;
}

// How many bytes the packet is on the wire, as the frames that a network card would cut it into.
static uint64_t size_on_wire(const uint8_t *bytes, uint32_t size) {
    struct virtio_net_hdr h;
    memcpy(&h, bytes, header);
    const uint8_t *ip = bytes + header;
    uint64_t length = size - header, headers = (ip[0] & 15) * 4, frames = 1;
    if (h.gso_type != VIRTIO_NET_HDR_GSO_NONE && h.gso_size && length > headers + 20) {
        headers += (ip[headers + 12] >> 4) * 4;
        frames = (length - headers + h.gso_size - 1) / h.gso_size;
    }
    return length + (frames - 1) * headers + frames * frame;
}

static void accept_packet(host *sender, const uint8_t *bytes, uint32_t size) {
    const uint8_t *address = bytes + header + 16;
    if (size < header + 20 || bytes[header] >> 4 != 4 || memcmp(address, (uint8_t[]){10, 77, 0}, 3)) return;
    int receiver = address[3] - 1;
    if (receiver < 0 || receiver >= count) return;
    int64_t time = now(), start = later(time, sender->sending_until);
    uint64_t wire = size_on_wire(bytes, size);
    sender->packets++;
    sender->bytes += wire;
    if (start - time > longest_wait_to_leave) {
        sender->dropped++;
        return;
    }
    packet *p = malloc(sizeof *p + size);
    if (!p) fail("memory");
    *p = (packet){.due = start, .duration = wire * nanoseconds_per_byte, .receiver = receiver, .size = size};
    memcpy(p->bytes, bytes, size);
    sender->sending_until = start + p->duration;
    append(&sender->leaving, p);
}

// The packets that began to leave until `time` pass the switch, in the order of time.
static void pass_switch(int64_t time) {
    for (;;) {
        host *sender = NULL;
        for (host *h = hosts; h < hosts + count; h++) {
            packet *p = h->leaving.first;
            if (p && p->due <= time && (!sender || p->due < sender->leaving.first->due)) sender = h;
        }
        if (!sender) return;
        packet *p = take_first(&sender->leaving);
        host *receiver = &hosts[p->receiver];
        int64_t start = later(p->due, receiver->receiving_until);
        if (start - p->due > longest_wait_in_switch) {
            sender->dropped++;
            free(p);
            continue;
        }
        receiver->receiving_until = start + p->duration;
        p->due = receiver->receiving_until + delay;
        append(&receiver->arriving, p);
    }
}

static void deliver(int64_t time) {
    for (host *h = hosts; h < hosts + count; h++) {
        while (h->arriving.first && h->arriving.first->due <= time) {
            packet *p = take_first(&h->arriving);
            // A device that is being taken down refuses packets, as a cable that is pulled out would lose them.
            ssize_t written = write(h->device, p->bytes, p->size);
            (void)written;
            free(p);
        }
    }
}

// When a packet arrives next, or never.
static int64_t next_arrival(void) {
    int64_t next = never;
    for (host *h = hosts; h < hosts + count; h++) {
        packet *leaving = h->leaving.first, *arriving = h->arriving.first;
        // One that leaves can pass the switch as late as when it might arrive: a wait less for each packet.
        if (leaving) next = sooner(next, leaving->due + leaving->duration + delay);
        if (arriving) next = sooner(next, arriving->due);
    }
    return next;
}

// Moves to the next processor of those that there are, when its turn has come.
static void take_turn(int64_t time) {
    if (!turn || time < next_turn) return;
    next_turn = time + turn;
    static int processor = -1;
    do processor = (processor + 1) % CPU_SETSIZE;
    while (!CPU_ISSET(processor, &processors));
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    if (sched_setaffinity(0, sizeof one, &one)) fail("sched_setaffinity");
}

static void report(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    for (int i = 0; i < count; i++)
        fprintf(stderr, "relay: host%d sent %llu packets, %.1f MB, %llu dropped\n", i,
            (unsigned long long)hosts[i].packets, hosts[i].bytes * 1e-6, (unsigned long long)hosts[i].dropped);
    fprintf(stderr, "relay: %.2f s of a processor, %ld waits\n",
        usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6,
        usage.ru_nvcsw);
}

int main(int argc, char **argv) {
    count = argc - 5;
    if (count < 2 || count > most_hosts) {
        fprintf(stderr, "usage: relay DELAY_MS RATE_MBIT QUEUE_KIB TURN_MS NAMESPACE... (2 to %d namespaces)\n", most_hosts);
        return 2;
    }
    delay = atof(argv[1]) * 1e6;
    slack = sooner(delay / 20, 50000);
    nanoseconds_per_byte = 8e3 / atof(argv[2]);
    longest_wait_to_leave = sender_queue * nanoseconds_per_byte;
    longest_wait_in_switch = atof(argv[3]) * 1024 * nanoseconds_per_byte;
    turn = atof(argv[4]) * 1e6;
    if (sched_getaffinity(0, sizeof processors, &processors)) fail("sched_getaffinity");

    struct pollfd waiting[most_hosts];
    for (int i = 0; i < count; i++) {
        host *h = &hosts[i];
        h->device = open_device(argv[5 + i]);
        h->leaving.end = &h->leaving.first;
        h->arriving.end = &h->arriving.first;
        waiting[i] = (struct pollfd){.fd = h->device, .events = POLLIN};
    }
    // Before programs that compute, which would hold packets up by whole time slices. It runs microseconds at a time.
    if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}))
        fprintf(stderr, "relay: no real-time priority (%s): delays will be less exact\n", strerror(errno));
    // SIGTERM is let in only while waiting, so that it is never missed.
    sigset_t termination, none;
    sigemptyset(&none);
    sigemptyset(&termination);
    sigaddset(&termination, SIGTERM);
    sigprocmask(SIG_BLOCK, &termination, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
    puts("ready");
    fflush(stdout);

    static uint8_t bytes[largest];
    while (!ended) {
        int64_t time = now();
        take_turn(time);
        pass_switch(time);
        deliver(time + slack);
        int64_t next = next_arrival(), wait = later(next - slack / 2 - now(), 0);
        struct timespec timeout = {wait / 1000000000, wait % 1000000000};
        if (ppoll(waiting, count, next == never ? NULL : &timeout, &none) <= 0) continue;
        for (int i = 0; i < count; i++) {
            if (!waiting[i].revents) continue;
            for (int taken = 0; taken < batch; taken++) {
                ssize_t size = read(hosts[i].device, bytes, sizeof bytes);
                if (size <= 0) break;
                accept_packet(&hosts[i], bytes, size);
            }
        }
    }
    report();
    return 0;
}
