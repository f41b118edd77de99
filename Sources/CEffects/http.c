#include <stdlib.h>
#include <string.h>

#include "performer.h"

// One request of libcurl's multi interface: HTTP and HTTPS alone, certificates verified, no redirect
// followed, no netrc, no cookies. <https://curl.se/libcurl/c/libcurl-multi.html>

static size_t take_body(char *bytes, size_t size, size_t count, void *context) {
  mt_running *running = context;
  const mt_effect_limits *limits = &running->owner->limits;
  size_t total = size * count;
  if (running->out.total + total > limits->read_bytes) return 0;
  return mt_buffer_add(&running->out, bytes, total, limits->response_bytes) ? total : 0;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context) {
  mt_running *running = context;
  size_t total = size * count;
  // Headers without an end are no answer either.
  running->header_total += total;
  if (running->header_total > running->owner->limits.read_bytes) return 0;
  // A new status line begins the headers of another response, after `100 Continue`.
  if (total >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
    running->err.count = 0;
    running->err.total = 0;
    return total;
  }
  return mt_buffer_add(&running->err, bytes, total, running->owner->limits.header_bytes) ? total : 0;
}

static int32_t outcome(CURLcode code) {
  switch (code) {
  case CURLE_OK: return MT_ENDED;
  case CURLE_OPERATION_TIMEDOUT: return MT_TIMED_OUT;
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_INVALIDCERTSTATUS: return MT_NOT_TRUSTED;
  case CURLE_WRITE_ERROR:
  case CURLE_FILESIZE_EXCEEDED: return MT_TOO_LONG;
  case CURLE_URL_MALFORMAT:
  case CURLE_BAD_FUNCTION_ARGUMENT: return MT_NOT_STARTED;
  // Of a URL that was checked it says that what came back is of HTTP/0.9: it is no HTTP at all.
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_BAD_CONTENT_ENCODING: return MT_NO_ANSWER;
  case CURLE_GOT_NOTHING:
  case CURLE_PARTIAL_FILE:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM: return MT_BROKEN;
  default: return MT_NO_CONNECTION;
  }
}

/// This machine is not asked for by way of another one, whatever the environment says of proxies.
static int is_loopback(const char *url) {
  const char *host = strstr(url, "://");
  if (host == NULL) return 0;
  host += 3;
  return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 || strncmp(host, "[::1]", 5) == 0;
}

static int set_options(mt_running *running, const mt_http_request *request) {
  CURL *easy = running->easy;
  CURLcode failed = CURLE_OK;
#define SET(option, value) \
  if (failed == CURLE_OK) failed = curl_easy_setopt(easy, option, value)
  SET(CURLOPT_PRIVATE, running);
  SET(CURLOPT_ERRORBUFFER, running->error);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  // A server that answers twice leaves an answer on the connection, which the next request would take for its
  // own: what nobody has done would count as done. Sessions of TLS are kept instead: they are what costs.
  SET(CURLOPT_FORBID_REUSE, 1L);
  SET(CURLOPT_SHARE, running->owner->share);
#if LIBCURL_VERSION_NUM >= 0x075700
  // A name server that does not answer holds up nobody when the request is over.
  SET(CURLOPT_QUICK_EXIT, 1L);
#endif
  SET(CURLOPT_SSL_VERIFYPEER, 1L);
  SET(CURLOPT_SSL_VERIFYHOST, 2L);
  SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_milliseconds);
  SET(CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_milliseconds);
  SET(CURLOPT_ACCEPT_ENCODING, "");
  SET(CURLOPT_USERAGENT, "moontide");
  SET(CURLOPT_WRITEFUNCTION, take_body);
  SET(CURLOPT_WRITEDATA, running);
  SET(CURLOPT_HEADERFUNCTION, take_header);
  SET(CURLOPT_HEADERDATA, running);
  SET(CURLOPT_HTTPHEADER, running->headers);
  SET(CURLOPT_URL, request->url);
  if (is_loopback(request->url)) SET(CURLOPT_NOPROXY, "*");
  if (strcmp(request->method, "HEAD") == 0) {
    SET(CURLOPT_NOBODY, 1L);
  } else if (running->body != NULL) {
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)running->body_count);
    SET(CURLOPT_POSTFIELDS, (char *)running->body);
    SET(CURLOPT_CUSTOMREQUEST, request->method);
  } else if (strcmp(request->method, "POST") == 0) {
    SET(CURLOPT_POSTFIELDSIZE, 0L);
    SET(CURLOPT_POSTFIELDS, "");
  } else if (strcmp(request->method, "GET") != 0) {
    SET(CURLOPT_CUSTOMREQUEST, request->method);
  }
#undef SET
  if (failed == CURLE_OK) return 1;
  mt_running_end(running, outcome(failed), 0, curl_easy_strerror(failed));
  return 0;
}

static int copy_parts(mt_running *running, const mt_http_request *request) {
  // What curl adds to a request with a body by itself, and no server of today wants.
  running->headers = curl_slist_append(NULL, "Expect:");
  if (running->headers == NULL) return 0;
  for (size_t i = 0; i < request->header_count; i++) {
    struct curl_slist *longer = curl_slist_append(running->headers, request->headers[i]);
    if (longer == NULL) return 0;
    running->headers = longer;
  }
  if (request->body == NULL) return 1;
  running->body_count = request->body_count;
  running->body = malloc(request->body_count + 1);
  if (running->body == NULL) return 0;
  memcpy(running->body, request->body, request->body_count);
  return 1;
}

void mt_http_leave(mt_running *running) {
  if (running->easy != NULL) {
    curl_multi_remove_handle(running->owner->multi, running->easy);
    curl_easy_cleanup(running->easy);
  }
  curl_slist_free_all(running->headers);
  running->easy = NULL;
  running->headers = NULL;
}

int32_t mt_effects_http(mt_effects *effects, uint64_t ticket, const mt_http_request *request) {
  mt_running *running = mt_running_new(effects, ticket, request->timeout_milliseconds);
  if (running == NULL) return 0;
  running->easy = curl_easy_init();
  if (running->easy == NULL || !copy_parts(running, request)) {
    mt_http_leave(running);
    mt_running_end(running, MT_NO_CONNECTION, 0, "there is no memory for a request");
    return 1;
  }
  if (!set_options(running, request)) {
    mt_http_leave(running);
    return 1;
  }
  if (curl_multi_add_handle(effects->multi, running->easy) != CURLM_OK) {
    mt_http_leave(running);
    mt_running_end(running, MT_NO_CONNECTION, 0, "libcurl takes no more requests");
  }
  return 1;
}

void mt_http_finish(mt_effects *effects) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(effects->multi, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    CURLcode code = message->data.result;
    mt_running *running = NULL;
    long status = 0;
    curl_off_t after = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&running);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    // 0 when the header is not there or is no number and no date.
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
    if (after > 0) running->retry_after = (int64_t)after;
    mt_http_leave(running);
    const char *error = code == CURLE_OK ? NULL : running->error[0] != 0 ? running->error : curl_easy_strerror(code);
    mt_running_end(running, outcome(code), (int32_t)status, error);
  }
}
