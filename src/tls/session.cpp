#include "tls/session.h"

#include "base/hex.h"
#include "net/address.h"
#include "net/host_name.h"
#include "tls/certificate_message.h"
#include "tls/priorities.h"
#include "tls/server_credentials.h"
#include "tls/ticket.h"

#include <algorithm>

#include <gnutls/crypto.h>

namespace sallyport::tls {
namespace {

constexpr unsigned quic_transport_parameters = 57;  // RFC 9001 §8.2
constexpr std::size_t ticket_master_key_size = 64;  // as gnutls_session_ticket_key_generate makes them

std::string_view without_brackets(std::string_view host) {
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

int enable_tickets(gnutls_session_t session, const std::array<std::uint8_t, 32>& key) {
  std::array<std::uint8_t, ticket_master_key_size> master;
  const gnutls_datum_t secret = datum_of(Bytes(key));
  const gnutls_datum_t label = datum_of("gnutls ticket master key");
  if (const int code = gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &secret, &label, master.data(), master.size());
      code < 0)
    return code;
  const gnutls_datum_t master_key = datum_of(Bytes(master));
  return gnutls_session_ticket_enable_server(session, &master_key);
}

/// Whether a list of extensions (RFC 8446 §4.2) has one of this type.
bool has_extension(Bytes list, unsigned wanted) {
  const auto number_at = [&list](std::size_t at) { return unsigned{list[at]} << 8 | list[at + 1]; };
  while (list.size() >= 4) {
    if (number_at(0) == wanted) return true;
    list = list.subspan(std::min<std::size_t>(list.size(), 4 + number_at(2)));
  }
  return false;
}

std::unexpected<Error> cannot_start(int code) {
  return fail(ErrorKind::resource, "cannot set up TLS: " + error_words(code));
}

/// Whether this ClientHello asks for shorter records than others take: by max_fragment_length (RFC 6066 §4),
/// or by record_size_limit (RFC 8449), which counts the content type and so is one more where it limits
/// nothing.
bool asks_for_short_records(Bytes client_hello) {
  bool limits = false;
  const auto look = [](void* found, unsigned type, const unsigned char* data, unsigned size) {
    constexpr unsigned max_fragment_length = 1, record_size_limit = 28, no_limit = 16385;
    if (type == max_fragment_length ||
        (type == record_size_limit && size == 2 && data[0] * 256u + data[1] < no_limit))
      *static_cast<bool*>(found) = true;
    return 0;
  };
  const gnutls_datum_t message = datum_of(client_hello);
  gnutls_ext_raw_parse(&limits, look, &message, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
  return limits;
}

}  // namespace

Result<> Session::init(unsigned flags, Carrier carrier, std::span<const std::string> alpn, bool is_server) {
  handle_.reset();
  gnutls_session_t session = nullptr;
  if (const int code = gnutls_init(&session, flags); code < 0) return cannot_start(code);
  handle_.reset(session);
  carrier_ = carrier;
  gnutls_transport_set_ptr(session, this);
  if (const int code = gnutls_priority_set(session, priorities(carrier)); code < 0) return cannot_start(code);

  std::vector<gnutls_datum_t> protocols;
  for (const std::string& protocol : alpn) protocols.push_back(datum_of(protocol));
  // Mandatory: without a common ALPN protocol the handshake fails with no_application_protocol (RFC 7301
  // §3.2).
  unsigned alpn_flags = GNUTLS_ALPN_MANDATORY;
  if (is_server) alpn_flags |= GNUTLS_ALPN_SERVER_PRECEDENCE;
  if (!protocols.empty()) {
    if (const int code = gnutls_alpn_set_protocols(session, protocols.data(),
                                                   static_cast<unsigned>(protocols.size()), alpn_flags);
        code < 0) {
      return cannot_start(code);
    }
  }
  if (key_log_ || (is_server && carrier == Carrier::tcp))
    gnutls_session_set_keylog_function(session, on_key_log);
  // A session has one such hook.
  const bool has_peer_certificate = !is_server || credentials_->impl().clients;
  if (carrier == Carrier::quic || has_peer_certificate)
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_handshake_message);
  else if (is_server)
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_PRE,
                                       on_handshake_message);
  return {};
}

Result<> Session::start_server(ServerSetup setup) {
  credentials_ = std::move(setup.credentials);
  key_log_ = std::move(setup.key_log);
  const std::optional<ClientAuthorities>& clients = credentials_->impl().clients;
  // A ticket would let in a client whose certificate is verified by no authority of now.
  const unsigned ticket_flag = clients ? GNUTLS_NO_TICKETS : 0;
  if (auto ready = init(GNUTLS_SERVER | ticket_flag | setup.flags, setup.carrier, setup.alpn, true); !ready)
    return ready;
  if (const int code = gnutls_credentials_set(native(), GNUTLS_CRD_CERTIFICATE, credentials_->native());
      code < 0) {
    return cannot_start(code);
  }
  if (clients) {
    gnutls_certificate_server_set_request(native(),
                                          clients->required() ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    gnutls_session_set_verify_function(native(), on_verify);
    return {};
  }
  if (const int code = enable_tickets(native(), setup.ticket_key); code < 0) return cannot_start(code);
  return {};
}

Result<> Session::start_client(ClientSetup setup) {
  trust_ = std::move(setup.trust);
  offered_ = std::move(setup.certificate);
  host_ = net::certificate_name(without_brackets(setup.host));
  on_ticket_ = std::move(setup.on_ticket);
  key_log_ = std::move(setup.key_log);
  if (auto ready = init_client(setup); !ready || setup.ticket.empty()) return ready;
  offers_ticket_ = take_ticket(setup.ticket);
  // A ticket cannot be removed from a session.
  return offers_ticket_ ? Result<>{} : init_client(setup);
}

Result<> Session::init_client(const ClientSetup& setup) {
  if (auto ready = init(GNUTLS_CLIENT | setup.flags, setup.carrier, setup.alpn, false); !ready) return ready;
  if (const int code = gnutls_credentials_set(native(), GNUTLS_CRD_CERTIFICATE, trust_->native()); code < 0) {
    return cannot_start(code);
  }
  if (!host_.empty() && !net::IpAddress::parse(host_)) {
    if (const int code = gnutls_server_name_set(native(), GNUTLS_NAME_DNS, host_.data(), host_.size());
        code < 0) {
      return fail(ErrorKind::usage, "'" + host_ + "' is not a host name");
    }
  }
  gnutls_session_set_verify_function(native(), on_verify);
  return {};
}

bool Session::take_ticket(Bytes ticket) {
  const auto remembered = parse_ticket(ticket);
  // A resumed handshake has no Certificate message. The certificates of the original handshake must be valid
  // for this client now: the ticket may come from a run with -k, or with another --ca.
  if (!remembered || !verify_chain(remembered->chain, *trust_, host_)) return false;
  return gnutls_session_set_data(native(), remembered->data.data(), remembered->data.size()) == 0;
}

SessionInfo Session::info() const {
  SessionInfo info;
  gnutls_datum_t alpn{};
  if (gnutls_alpn_get_selected_protocol(native(), &alpn) == 0) info.alpn = as_text({alpn.data, alpn.size});
  info.server_name = credentials_ ? sni_of(native()) : host_;
  if (const char* version = gnutls_protocol_get_name(gnutls_protocol_get_version(native())))
    info.version = version;
  if (const char* cipher = gnutls_ciphersuite_get(native())) info.cipher = cipher;
  info.resumed = gnutls_session_is_resumed(native()) != 0;
  info.early_data_accepted = (gnutls_session_get_flags(native()) & GNUTLS_SFLAGS_EARLY_DATA) != 0;
  if (credentials_) info.certificate = shown_ ? shown_ : credentials_->impl().choose(native()).served;
  info.client_certificate = client_certificate_;
  return info;
}

TrafficSecrets::~TrafficSecrets() {
  for (auto* const secret : {&client, &server})
    if (*secret) gnutls_memset((*secret)->data(), 0, (*secret)->size());
}

void Session::keep_secret(std::string_view label, Bytes secret) {
  const auto keep = [&](std::optional<TrafficSecret>& place) {
    if (secret.size() != place.emplace().size()) return place.reset();
    copy_bytes(secret, place->data());
  };
  if (label == "CLIENT_TRAFFIC_SECRET_0") keep(secrets_.client);
  if (label == "SERVER_TRAFFIC_SECRET_0") keep(secrets_.server);
}

int Session::on_key_log(gnutls_session_t session, const char* label, const gnutls_datum_t* secret) {
  Session& self = of(session);
  if (self.credentials_ && self.carrier_ == Carrier::tcp)
    self.keep_secret(label, {secret->data, secret->size});
  if (!self.key_log_) return 0;
  gnutls_datum_t client_random{}, server_random{};
  gnutls_session_get_random(session, &client_random, &server_random);
  std::string line = label;
  line += ' ' + to_hex({client_random.data, client_random.size});
  line += ' ' + to_hex({secret->data, secret->size});
  self.key_log_->write(line);
  return 0;
}

int Session::on_verify(gnutls_session_t session) {
  Session& self = of(session);
  auto verified = self.verify();
  if (verified) return 0;
  self.verify_error_ = std::move(verified.error());
  return GNUTLS_E_CERTIFICATE_ERROR;
}

Result<> Session::verify() {
  if (trust_) return verify_peer(native(), *trust_, host_);
  auto verified = credentials_->impl().clients->verify(native());
  if (!verified) return std::unexpected(std::move(verified.error()));
  client_certificate_ = std::move(*verified);
  return {};
}

int Session::on_handshake_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                                  const gnutls_datum_t* message) {
  Session& self = of(session);
  if (incoming == 0) return 0;
  if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO && self.carrier_ == Carrier::tcp)
    self.limits_records_ = self.limits_records_ || asks_for_short_records({message->data, message->size});
  // QUIC has a key update of its own (RFC 9001 §6). GnuTLS would derive new secrets.
  if (type == GNUTLS_HANDSHAKE_KEY_UPDATE && self.carrier_ == Carrier::quic)
    return GNUTLS_E_UNEXPECTED_PACKET;  // the alert unexpected_message
  // RFC 9001 §8.2. Remembered transport parameters do not replace the server's.
  if (type == GNUTLS_HANDSHAKE_ENCRYPTED_EXTENSIONS && self.carrier_ == Carrier::quic &&
      (message->size < 2 ||
       !has_extension(Bytes(message->data, message->size).subspan(2), quic_transport_parameters)))
    return GNUTLS_E_MISSING_EXTENSION;
  if (type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT && when == GNUTLS_HOOK_PRE) {
    const bool is_tls13 = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3;
    if (auto why = concern_about_key({message->data, message->size}, is_tls13)) {
      self.verify_error_ = Error{ErrorKind::tls, *std::move(why), GNUTLS_A_BAD_CERTIFICATE};
      return GNUTLS_E_CERTIFICATE_ERROR;
    }
  }
  if (type == GNUTLS_HANDSHAKE_NEW_SESSION_TICKET && self.on_ticket_) self.on_new_ticket(when, *message);
  return 0;
}

void Session::on_new_ticket(unsigned when, const gnutls_datum_t& message) {
  // TLS 1.2 sends its ticket before the handshake is complete; session data is available only then.
  if (gnutls_protocol_get_version(native()) != GNUTLS_TLS1_3) return;
  if (when == GNUTLS_HOOK_PRE) {
    // GnuTLS 3.7 does not tell a ticket for 0-RTT from one without.
    ticket_allows_early_data_ = allows_early_data({message.data, message.size});
  } else if (auto ticket = make_ticket(native(), ticket_allows_early_data_); !ticket.empty()) {
    on_ticket_(std::move(ticket));
  }
}

void Session::keep_older_session() {
  if (!on_ticket_ || gnutls_protocol_get_version(native()) == GNUTLS_TLS1_3) return;
  if (auto data = make_ticket(native(), false); !data.empty()) on_ticket_(std::move(data));
}

}  // namespace sallyport::tls
