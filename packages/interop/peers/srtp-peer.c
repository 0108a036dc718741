/*
 * libsrtp2 behind a line protocol, one answer a line:
 *   new <slot> send|receive <profile id of RFC 5764> <master key and salt, hex>   -> ok
 *   rtp+ <slot> <hex>   rtp- <slot> <hex>   rtcp+ <slot> <hex>   rtcp- <slot> <hex>   protect (+) or unprotect (-)  -> ok <hex>
 *   bench <profile id> <payload bytes> <packets>                                  -> ok <protect us> <unprotect us>
 * What libsrtp refuses is answered with: refused <its status number>
 */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 16, LARGEST = 4096 };
static srtp_t slot[SLOTS];

static int decode(const char *text, uint8_t *bytes) {
  int length = 0;
  while (length < LARGEST - 200 && text[2 * length] && text[2 * length + 1]) {
    char pair[3] = {text[2 * length], text[2 * length + 1], 0};
    bytes[length++] = (uint8_t)strtol(pair, NULL, 16);
  }
  return length;
}

static void answer(srtp_err_status_t status, const uint8_t *bytes, int length) {
  if (status != srtp_err_status_ok) {
    printf("refused %d\n", status);
    return;
  }
  printf("ok ");
  for (int i = 0; i < length; i++) printf("%02x", bytes[i]);
  printf("\n");
}

static srtp_err_status_t open_session(srtp_t *session, int profile, uint8_t *key, int sends) {
  srtp_policy_t policy;
  memset(&policy, 0, sizeof policy);
  srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, (srtp_profile_t)profile);
  srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, (srtp_profile_t)profile);
  policy.ssrc.type = sends ? ssrc_any_outbound : ssrc_any_inbound;
  policy.key = key;
  policy.window_size = 1024;
  return srtp_create(session, &policy);
}

static double microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void bench(int profile, int payload, int packets) {
  static uint8_t key[64], batch[100][LARGEST];
  int length[100];
  double protect = 0, unprotect = 0;
  srtp_t sender, receiver;
  open_session(&sender, profile, key, 1);
  open_session(&receiver, profile, key, 0);
  for (int done = 0; done < packets; done += 100) {
    for (int i = 0; i < 100; i++) {
      uint8_t *packet = batch[i];
      memset(packet, 0, 12 + payload);
      packet[0] = 0x80;
      packet[1] = 96;
      packet[2] = (done + i) >> 8;
      packet[3] = done + i;
      packet[11] = 1;
      length[i] = 12 + payload;
    }
    double start = microseconds();
    for (int i = 0; i < 100; i++) srtp_protect(sender, batch[i], &length[i]);
    double middle = microseconds();
    for (int i = 0; i < 100; i++) srtp_unprotect(receiver, batch[i], &length[i]);
    protect += middle - start;
    unprotect += microseconds() - middle;
  }
  srtp_dealloc(sender);
  srtp_dealloc(receiver);
  printf("ok %.3f %.3f\n", protect / packets, unprotect / packets);
}

int main(void) {
  static char line[3 * LARGEST], command[16], direction[16], hex[2 * LARGEST];
  static uint8_t bytes[LARGEST];
  int number, profile, payload, packets;
  srtp_init();
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "bench %d %d %d", &profile, &payload, &packets) == 3) {
      bench(profile, payload, packets);
    } else if (sscanf(line, "new %d %15s %d %8191s", &number, direction, &profile, hex) == 4 && number >= 0 && number < SLOTS) {
      decode(hex, bytes);
      if (slot[number]) srtp_dealloc(slot[number]);
      slot[number] = NULL;
      answer(open_session(&slot[number], profile, bytes, strcmp(direction, "send") == 0), bytes, 0);
    } else if (sscanf(line, "%15s %d %8191s", command, &number, hex) == 3 && number >= 0 && number < SLOTS && slot[number]) {
      int length = decode(hex, bytes);
      srtp_err_status_t status = srtp_err_status_bad_param;
      if (!strcmp(command, "rtp+")) status = srtp_protect(slot[number], bytes, &length);
      if (!strcmp(command, "rtp-")) status = srtp_unprotect(slot[number], bytes, &length);
      if (!strcmp(command, "rtcp+")) status = srtp_protect_rtcp(slot[number], bytes, &length);
      if (!strcmp(command, "rtcp-")) status = srtp_unprotect_rtcp(slot[number], bytes, &length);
      answer(status, bytes, length);
    } else {
      printf("refused 2\n");
    }
    fflush(stdout);
  }
  return 0;
}
