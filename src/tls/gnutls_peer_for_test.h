// GnuTLS by itself, with priorities of its own, at one end of a Link's transport: for what no peer of ours
// offers or does. For tests alone.
#pragma once

#include "tls/certificate.h"
#include "tls/session.h"
#include "tls/test_link.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::tls {

class GnutlsPeer final : private net::ByteStreamReceiver {
 public:
  /// `role`: GNUTLS_CLIENT or GNUTLS_SERVER.
  GnutlsPeer(std::unique_ptr<net::ByteStream> transport, unsigned role, const char* priority)
      : transport_(std::move(transport)) {
    gnutls_certificate_credentials_t credentials = nullptr;
    gnutls_certificate_allocate_credentials(&credentials);
    credentials_.reset(credentials);
    gnutls_session_t session = nullptr;
    gnutls_init(&session, role | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    session_.reset(session);
    EXPECT_EQ(gnutls_priority_set_direct(session, priority, nullptr), 0) << priority;
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_ptr(session, this);
    gnutls_transport_set_push_function(session, push);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_pull_timeout_function(session, [](gnutls_transport_ptr_t, unsigned) { return 1; });
    transport_->set_receiver(this);
    transport_->set_reading(true);
  }

  gnutls_session_t native() const { return session_.get(); }
  void show(const KeyPair& pair) {
    const gnutls_datum_t certificate = datum_of(pair.certificate_pem), key = datum_of(pair.key_pem);
    EXPECT_GE(
        gnutls_certificate_set_x509_key_mem(credentials_.get(), &certificate, &key, GNUTLS_X509_FMT_PEM), 0);
  }
  void shake_hands() { code_ = gnutls_handshake(native()); }
  bool is_established() const { return code_ == 0; }
  /// The alert that the peer sent in the handshake; 0 for none.
  unsigned alert() const {
    if (code_ != GNUTLS_E_FATAL_ALERT_RECEIVED) return 0;
    return static_cast<unsigned>(gnutls_alert_get(native()));
  }
  void send(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t sent = gnutls_record_send(native(), text.data() + at, text.size() - at);
      ASSERT_GT(sent, 0);
      at += static_cast<std::size_t>(sent);
    }
  }

  std::string received;
  std::size_t largest_record = 0;
  bool ended = false;  ///< with close_notify
  /// Changes the records that GnuTLS sends.
  std::function<void(std::span<std::uint8_t>)> falsify;

 private:
  void on_bytes(Bytes bytes) override {
    input_.append(as_text(bytes));
    if (code_ != 0) shake_hands();
    if (code_ != 0) return;
    std::array<char, 20'000> out;
    ssize_t count = 0;
    while ((count = gnutls_record_recv(native(), out.data(), out.size())) > 0) {
      received.append(out.data(), static_cast<std::size_t>(count));
      largest_record = std::max(largest_record, static_cast<std::size_t>(count));
    }
    ended = ended || count == 0;
    EXPECT_TRUE(count == 0 || count == GNUTLS_E_AGAIN) << gnutls_strerror(static_cast<int>(count));
  }
  void on_end() override {}
  void on_stream_error(const Error&) override {}
  static ssize_t push(gnutls_transport_ptr_t self, const void* data, std::size_t size) {
    auto& peer = *static_cast<GnutlsPeer*>(self);
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    std::vector<std::uint8_t> records(bytes, bytes + size);
    if (peer.falsify) peer.falsify(records);
    peer.transport_->write(Bytes(records));
    return static_cast<ssize_t>(size);
  }
  static ssize_t pull(gnutls_transport_ptr_t self, void* out, std::size_t size) {
    auto& peer = *static_cast<GnutlsPeer*>(self);
    if (peer.input_.empty()) {
      gnutls_transport_set_errno(peer.native(), EAGAIN);
      return -1;
    }
    const std::size_t taken = std::min(size, peer.input_.size());
    std::copy_n(peer.input_.begin(), taken, static_cast<char*>(out));
    peer.input_.erase(0, taken);
    return static_cast<ssize_t>(taken);
  }

  std::unique_ptr<net::ByteStream> transport_;
  CredentialsHandle credentials_;
  SessionHandle session_;
  std::string input_;
  int code_ = GNUTLS_E_AGAIN;
};

}  // namespace sallyport::tls
