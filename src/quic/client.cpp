// The client side of Connection: start, Version Negotiation, session and token storage, migration.
#include "quic/connection_impl.h"
#include "quic/native.h"

#include <algorithm>
#include <array>

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

namespace sallyport::quic {
namespace {

using Impl = Connection::Impl;

constexpr std::size_t first_destination_id_length = 8;  // RFC 9000 §7.2: at least 8, unpredictable

// Tickets and tokens are valid only for the QUIC version of their connection (RFC 9369 §5), so the stored
// state starts with that version.

std::vector<std::uint8_t> with_version(std::uint32_t version, Bytes content) {
  std::vector<std::uint8_t> result(4 + content.size());
  for (std::size_t i = 0; i < 4; ++i) result[i] = static_cast<std::uint8_t>(version >> (24 - 8 * i));
  copy_bytes(content, result.data() + 4);
  return result;
}

/// Takes the version off the front; 0 when there is none.
std::uint32_t take_version(Bytes& content) {
  if (content.size() < 4) return 0;
  const std::uint32_t version = std::uint32_t{content[0]} << 24 | std::uint32_t{content[1]} << 16 |
                                std::uint32_t{content[2]} << 8 | content[3];
  content = content.subspan(4);
  return version;
}

bool contains(const std::vector<std::uint32_t>& versions, std::uint32_t version) {
  return std::find(versions.begin(), versions.end(), version) != versions.end();
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::connect(const Environment& environment,
                                                        net::DatagramPath& path, Application& application,
                                                        const ClientOptions& options) {
  if (options.config.versions.empty()) return fail(ErrorKind::usage, "no QUIC version is configured");
  if (path.max_datagram_size() < minimum_udp_payload)
    return fail(ErrorKind::too_large, path_too_narrow(path.max_datagram_size()));
  auto owned =
      std::make_unique<Impl>(environment, path, std::make_shared<const Config>(options.config), false);
  Impl& impl = *owned;
  impl.application = &application;
  impl.current_path = path.net_path();
  impl.client = std::make_unique<ClientState>();
  impl.client->options = options;
  impl.client->key_log = environment.key_log;
  std::unique_ptr<Connection> connection(new Connection(std::move(owned)));

  std::uint32_t version = options.config.versions.front();
  if (options.sessions != nullptr) {
    if (auto entry = options.sessions->find(options.origin)) {
      Bytes parameters = entry->transport_parameters;
      const std::uint32_t remembered_version = take_version(parameters);
      if (contains(options.config.versions, remembered_version)) {
        version = remembered_version;
        impl.client->remembered = std::move(*entry);
      }
    }
    impl.client->token = options.sessions->take_token(options.origin);
  }
  if (auto started = impl.start_client(version); !started) return std::unexpected(std::move(started.error()));
  path.set_receiver(connection.get());
  impl.flush_work.request();
  return connection;
}

Result<> Impl::start_client(std::uint32_t version) {
  const ClientOptions& options = client->options;
  Bytes parameters_of_old = client->remembered.transport_parameters;
  if (take_version(parameters_of_old) != version) parameters_of_old = {};
  tls::QuicClientOptions tls_options{
      .trust = options.trust, .certificate = options.certificate, .host = options.host, .alpn = options.alpn};
  if (!parameters_of_old.empty()) tls_options.ticket = client->remembered.ticket;
  tls_options.early_data = options.early_data && !parameters_of_old.empty();
  tls_options.key_log = client->key_log;
  if (options.sessions != nullptr) {
    tls_options.on_ticket = [this](std::vector<std::uint8_t> ticket) {
      client->ticket = std::move(ticket);
      store_session();
    };
  }
  auto session = tls::QuicSession::client(tls_options);
  if (!session) return std::unexpected(std::move(session.error()));

  ngtcp2_callbacks callbacks{};
  fill(callbacks);
  const std::vector<std::uint16_t>& probes = PathMtu::probe_sizes(path_limit());
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  fill(settings, parameters, probes);
  settings.original_version = client->original_version;
  Bytes token = client->token;
  if (take_version(token) == version && !token.empty() && token.size() <= longest_address_token) {
    settings.token = token.data();
    settings.tokenlen = token.size();
    settings.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }

  std::array<std::uint8_t, NGTCP2_MAX_CIDLEN> bytes;
  random.fill(bytes);
  const ngtcp2_cid destination = to_native_id(Bytes(bytes).first(first_destination_id_length));
  random.fill(bytes);
  const ngtcp2_cid source =
      to_native_id(Bytes(bytes).first(std::min<std::size_t>(config->connection_id_length, bytes.size())));
  const NativePath native_path(current_path);
  ngtcp2_conn* native = nullptr;
  if (ngtcp2_conn_client_new(&native, &destination, &source, native_path.get(), version, &callbacks,
                             &settings, &parameters, nullptr, this) != 0)
    return fail(ErrorKind::resource, "no memory for a QUIC connection");
  conn.reset(native);
  first_version = version;
  if (auto begun = begin(std::move(*session), id_bytes(destination), options.title); !begun) return begun;
  early_data = tls->offers_early_data() && !parameters_of_old.empty() &&
               ngtcp2_conn_decode_and_set_0rtt_transport_params(native, parameters_of_old.data(),
                                                                parameters_of_old.size()) == 0;
  return {};
}

bool Impl::change_version() {
  const auto wanted =
      std::find_if(config->versions.begin(), config->versions.end(),
                   [this](std::uint32_t version) { return contains(client->offered, version); });
  // Only one Version Negotiation is accepted, and never one that lists the attempted version (RFC 9000 §6.2).
  if (wanted == config->versions.end() || *wanted == first_version || client->original_version != 0)
    return false;
  client->original_version = first_version;
  const bool had_early_data = std::exchange(early_data, false);
  conn.reset();
  tls.reset();
  if (!start_client(*wanted)) return false;
  silence.requests = 0;
  if (had_early_data) app().on_early_data_rejected(now);
  return true;
}

void Impl::store_session() {
  if (client->options.sessions == nullptr || client->ticket.empty()) return;
  std::array<std::uint8_t, 512> encoded;
  const ngtcp2_ssize size =
      ngtcp2_conn_encode_0rtt_transport_params(conn.get(), encoded.data(), encoded.size());
  if (size < 0) return;
  client->options.sessions->store(
      client->options.origin,
      {.ticket = client->ticket,
       .transport_parameters = with_version(version(), Bytes(encoded).first(static_cast<std::size_t>(size))),
       .http_settings = client->settings});
}

void Impl::store_token(Bytes token) {
  if (client->options.sessions == nullptr) return;
  client->options.sessions->store_token(client->options.origin, with_version(version(), token));
}

std::vector<std::uint8_t> Connection::remembered_settings() const {
  return impl_->client ? impl_->client->remembered.http_settings : std::vector<std::uint8_t>{};
}

void Connection::remember_settings(Bytes settings) {
  if (!impl_->client || impl_->closed) return;
  impl_->client->settings.assign(settings.begin(), settings.end());
  impl_->store_session();
}

Result<> Connection::migrate(net::DatagramPath& path) {
  Impl& impl = *impl_;
  if (!impl.client || !impl.is_established()) return fail(ErrorKind::closed, "the connection is not open");
  if (impl.client->next_path != nullptr)
    return fail(ErrorKind::resource, "a migration is in progress already");
  if (path.max_datagram_size() < minimum_udp_payload)
    return fail(ErrorKind::too_large, path_too_narrow(path.max_datagram_size()));
  const net::NetPath to = path.net_path();
  if (to == impl.current_path) {  // the peer sees no difference
    impl.use(path);
    ++impl.path_changes;
    impl.mtu.set_limit(impl.path_limit(), impl.timers.now());
  } else {
    const NativePath native(to);
    const int error =
        ngtcp2_conn_initiate_migration(impl.conn.get(), native.get(), to_native(impl.timers.now()));
    if (error == NGTCP2_ERR_CONN_ID_BLOCKED)
      return fail(ErrorKind::resource, "the server gave no connection ID for a migration");
    if (error != 0)
      return fail(ErrorKind::denied, std::string("the connection cannot migrate: ") + ngtcp2_strerror(error));
    impl.client->next_path = &path;
    impl.client->next_net_path = to;
    impl.blocked = false;  // this is the old path
  }
  path.set_receiver(this);
  impl.flush_work.request();
  return {};
}

void Impl::use(net::DatagramPath& other) {
  path->set_receiver(nullptr);
  path = &other;
  blocked = false;  // that was the old one's
}

void Impl::give_up_next_path() {
  client->next_path->set_receiver(nullptr);
  client->next_path = nullptr;
  if (recorder) recorder->note(now, "path validation failed, the migration is abandoned");
  blocked = false;  // perhaps that was its word
}

}  // namespace sallyport::quic
