/*
 * usrsctp at the end of a UDP tunnel: one SCTP packet in a datagram, as inside DTLS (RFC 8261).
 *
 *   usrsctp-peer connect|listen LOCAL-UDP-PORT REMOTE-UDP-PORT DROP-PERCENT interleave|plain
 *
 * Commands on stdin, one a line:
 *   send STREAM PPID SIZE COUNT ordered|unordered reliable|rtx|ttl LIMIT
 *   reset STREAM    shutdown    abort    quit
 * Events on stdout:
 *   up INBOUND OUTBOUND    message STREAM PPID SIZE HASH    in-reset STREAM    out-reset STREAM    lost    down    sent
 * Byte i of message n is (31 i + 7 n) mod 256; HASH is FNV-1a.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <usrsctp.h>

#define SCTP_PORT 5000
#define STREAMS 1024
#ifndef SCTP_INTERLEAVING_SUPPORTED
#define SCTP_INTERLEAVING_SUPPORTED 0x1206
#endif

static int udp;
static int drop_percent;
static uint32_t dice = 12345;
static struct socket *association;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
/* Messages arrive in pieces. */
static struct {
	uint32_t hash;
	size_t size;
} partial[STREAMS][2];

static void say(const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	pthread_mutex_lock(&output);
	vprintf(format, arguments);
	putchar('\n');
	fflush(stdout);
	pthread_mutex_unlock(&output);
	va_end(arguments);
}

static int unlucky(void) {
	dice = dice * 1664525 + 1013904223;
	return (int)((dice >> 16) % 100) < drop_percent;
}

static int on_output(void *address, void *packet, size_t length, uint8_t tos, uint8_t set_df) {
	(void)address, (void)tos, (void)set_df;
	if (!unlucky()) send(udp, packet, length, 0);
	return 0;
}

static void *read_udp(void *unused) {
	unsigned char packet[65536];
	(void)unused;
	for (;;) {
		ssize_t length = recv(udp, packet, sizeof packet, 0);
		if (length > 0 && !unlucky()) usrsctp_conninput(&udp, packet, (size_t)length, 0);
	}
	return NULL;
}

static void on_notification(const union sctp_notification *event) {
	if (event->sn_header.sn_type == SCTP_ASSOC_CHANGE) {
		const struct sctp_assoc_change *change = &event->sn_assoc_change;
		if (change->sac_state == SCTP_COMM_UP) say("up %u %u", change->sac_inbound_streams, change->sac_outbound_streams);
		if (change->sac_state == SCTP_COMM_LOST) say("lost");
		if (change->sac_state == SCTP_SHUTDOWN_COMP) say("down");
	} else if (event->sn_header.sn_type == SCTP_STREAM_RESET_EVENT) {
		const struct sctp_stream_reset_event *reset = &event->sn_strreset_event;
		size_t count = (reset->strreset_length - sizeof *reset) / sizeof reset->strreset_stream_list[0];
		const char *name = reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN ? "in-reset" : "out-reset";
		if (reset->strreset_flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED)) name = "reset-failed";
		for (size_t i = 0; i < count; i++) say("%s %u", name, reset->strreset_stream_list[i]);
	}
}

static int on_receive(struct socket *sock, union sctp_sockstore from, void *data, size_t length, struct sctp_rcvinfo info, int flags, void *unused) {
	(void)sock, (void)from, (void)unused;
	if (data == NULL) return 1;
	if (flags & MSG_NOTIFICATION) on_notification(data);
	else if (info.rcv_sid < STREAMS) {
		int kind = info.rcv_flags & SCTP_UNORDERED ? 1 : 0;
		uint32_t hash = partial[info.rcv_sid][kind].size ? partial[info.rcv_sid][kind].hash : 2166136261u;
		for (size_t i = 0; i < length; i++) hash = (hash ^ ((unsigned char *)data)[i]) * 16777619u;
		partial[info.rcv_sid][kind].hash = hash;
		partial[info.rcv_sid][kind].size += length;
		if (flags & MSG_EOR) {
			say("message %u %u %zu %08x", info.rcv_sid, ntohl(info.rcv_ppid), partial[info.rcv_sid][kind].size, hash);
			partial[info.rcv_sid][kind].size = 0;
		}
	}
	free(data);
	return 1;
}

static void configure(struct socket *sock, int interleave) {
	const uint16_t wanted[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_type = wanted[i], .se_on = 1};
		usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
	}
	int on = 1;
	int level = 2;
	int size = 4 << 20;
	struct sctp_assoc_value reset = {.assoc_id = SCTP_ALL_ASSOC, .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
	struct sctp_assoc_value mixing = {.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = 1};
	struct sctp_initmsg init = {.sinit_num_ostreams = STREAMS, .sinit_max_instreams = STREAMS};
	usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on);
	usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on);
	usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset);
	usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init);
	usrsctp_setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	usrsctp_setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (!interleave) return;
	usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_FRAGMENT_INTERLEAVE, &level, sizeof level);
	if (usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_INTERLEAVING_SUPPORTED, &mixing, sizeof mixing)) say("no-interleaving");
}

static void send_series(unsigned stream, unsigned ppid, size_t size, int count, const char *order, const char *policy, unsigned limit) {
	unsigned char *data = malloc(size);
	struct sctp_sendv_spa options = {.sendv_flags = SCTP_SEND_SNDINFO_VALID};
	options.sendv_sndinfo.snd_sid = (uint16_t)stream;
	options.sendv_sndinfo.snd_ppid = htonl(ppid);
	options.sendv_sndinfo.snd_flags = SCTP_EOR | (strcmp(order, "unordered") == 0 ? SCTP_UNORDERED : 0);
	if (strcmp(policy, "reliable") != 0) {
		options.sendv_flags |= SCTP_SEND_PRINFO_VALID;
		options.sendv_prinfo.pr_policy = strcmp(policy, "rtx") == 0 ? SCTP_PR_SCTP_RTX : SCTP_PR_SCTP_TTL;
		options.sendv_prinfo.pr_value = limit;
	}
	for (int n = 0; n < count; n++) {
		for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(31 * i + 7 * (size_t)n);
		while (usrsctp_sendv(association, data, size, NULL, 0, &options, sizeof options, SCTP_SENDV_SPA, 0) < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK) {
				say("send-failed %d", errno);
				break;
			}
			usleep(1000);
		}
	}
	free(data);
	say("sent");
}

static void reset_stream(unsigned stream) {
	char memory[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)] = {0};
	struct sctp_reset_streams *request = (struct sctp_reset_streams *)memory;
	request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
	request->srs_number_streams = 1;
	request->srs_stream_list[0] = (uint16_t)stream;
	while (usrsctp_setsockopt(association, IPPROTO_SCTP, SCTP_RESET_STREAMS, request, sizeof memory) && (errno == EALREADY || errno == EINPROGRESS || errno == EAGAIN)) usleep(1000);
}

static void abort_association(void) {
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	usrsctp_setsockopt(association, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	usrsctp_close(association);
}

int main(int count, char **arguments) {
	if (count != 6) return 2;
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[3])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int size = 4 << 20;
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (bind(udp, (struct sockaddr *)&here, sizeof here) || connect(udp, (struct sockaddr *)&there, sizeof there)) return 1;
	drop_percent = atoi(arguments[4]);

	usrsctp_init(0, on_output, NULL);
	usrsctp_sysctl_set_sctp_ecn_enable(0);
	usrsctp_register_address(&udp);
	struct socket *sock = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, on_receive, NULL, 0, NULL);
	if (sock == NULL) return 1;
	configure(sock, strcmp(arguments[5], "interleave") == 0);
	struct sockaddr_conn address = {.sconn_family = AF_CONN, .sconn_port = htons(SCTP_PORT), .sconn_addr = &udp};
	if (usrsctp_bind(sock, (struct sockaddr *)&address, sizeof address)) return 1;
	pthread_t reader;
	pthread_create(&reader, NULL, read_udp, NULL);
	if (strcmp(arguments[1], "connect") == 0) {
		association = sock;
		if (usrsctp_connect(sock, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) say("lost");
		say("ready");
	} else {
		usrsctp_listen(sock, 1);
		say("ready");
		association = usrsctp_accept(sock, NULL, NULL);
		configure(association, 0);
		say("accepted");
	}
	usrsctp_set_non_blocking(association, 1);

	char line[256];
	while (fgets(line, sizeof line, stdin)) {
		unsigned stream, ppid, limit;
		size_t length;
		int messages;
		char order[16], policy[16];
		if (sscanf(line, "send %u %u %zu %d %15s %15s %u", &stream, &ppid, &length, &messages, order, policy, &limit) == 7)
			send_series(stream, ppid, length, messages, order, policy, limit);
		else if (sscanf(line, "reset %u", &stream) == 1) reset_stream(stream);
		else if (strncmp(line, "shutdown", 8) == 0) usrsctp_shutdown(association, SHUT_WR);
		else if (strncmp(line, "abort", 5) == 0) abort_association();
		else if (strncmp(line, "quit", 4) == 0) break;
	}
	_exit(0);
}
