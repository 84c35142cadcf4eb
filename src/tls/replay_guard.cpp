#include "tls/replay_guard.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <gnutls/gnutls.h>

namespace sallyport::tls {
namespace {

// GnuTLS prepends the start of its own window to the ClientHello's binder. Our window differs, and is the
// same for all threads.
constexpr std::size_t gnutls_prefix = 12;

int add_to_record(void* record, std::time_t expires, const gnutls_datum_t* key, const gnutls_datum_t*) {
  if (key->size <= gnutls_prefix) return GNUTLS_E_DB_ERROR;
  const Bytes binder = Bytes(key->data, key->size).subspan(gnutls_prefix);
  const std::time_t now = expires - static_cast<std::time_t>(ReplayRecord::window.count());
  return static_cast<ReplayRecord*>(record)->add(binder, now) ? 0 : GNUTLS_E_DB_ENTRY_EXISTS;
}

}  // namespace

bool ReplayRecord::add(Bytes id, std::time_t now) {
  // A binder is the output of an HMAC, so any eight bytes of it suffice. On a collision one client loses its
  // 0-RTT.
  std::uint64_t short_id = 0;
  std::memcpy(&short_id, id.data(), std::min(id.size(), sizeof short_id));

  const std::lock_guard lock(mutex_);
  const std::time_t age = now - current_since_;
  if (age > window.count()) {
    previous_ = age > 2 * window.count() ? std::unordered_set<std::uint64_t>{} : std::move(current_);
    current_.clear();
    current_since_ = now;
  }
  if (current_.size() >= capacity || previous_.contains(short_id)) return false;
  return current_.insert(short_id).second;
}

ReplayGuard::ReplayGuard(std::shared_ptr<ReplayRecord> record) : record_(std::move(record)) {
  if (gnutls_anti_replay_init(&native_) < 0) std::abort();  // out of memory
  gnutls_anti_replay_set_window(
      native_, static_cast<unsigned>(std::chrono::milliseconds(ReplayRecord::window).count()));
  gnutls_anti_replay_set_ptr(native_, record_.get());
  gnutls_anti_replay_set_add_function(native_, add_to_record);
}

ReplayGuard::~ReplayGuard() {
  gnutls_anti_replay_deinit(native_);
}

}  // namespace sallyport::tls
