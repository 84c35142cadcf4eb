// The flags that all client commands share (--via, --http, --ca, --qlog ...), and the session that they
// describe: event loop, trust, caches and traces, alive for as long as the command runs.
#pragma once

#include "dial/chain.h"
#include "dial/context.h"
#include "dial/origin_memory.h"
#include "net/event_loop.h"
#include "quic/config.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sallyport::cli {

struct ClientFlags {
  std::vector<std::string> via;
  std::string http = "auto", hop_http = "h3", mode = "auto";
  std::vector<std::string> hop_modes;    ///< of the hops before the last: one for all, or one for each
  std::vector<std::string> token_files;  ///< one for all hops, or one for each
  std::vector<std::string> ca_files;
  std::string certificate, key;  ///< for origins that ask for one; both empty: none
  std::string qlog_folder, key_log, cache_folder;
  std::string congestion{to_string(quic::CongestionControl::cubic)};
  std::vector<std::string> resolve;
  bool ipv4 = false, ipv6 = false;
  bool insecure = false, early_data = false, no_cache = false;
  bool quiet = false;           ///< no progress, no hints (a command's own flag, where it has one)
  bool remember_names = false;  ///< each name is looked up once in a run; no flag, a command's choice
  double timeout = 10;
  std::optional<double> keep_alive;
  std::size_t max_udp_payload = 0;  ///< 0: what the link is likely to carry
};

void add_client_flags(CLI::App& app, ClientFlags& flags);
/// Of those, what there is to say of hops, and of a connection to the first of them.
void add_hop_flags(CLI::App& app, ClientFlags& flags);

/// A --via, for tunnels that carry this. The error says as well what is wrong where a proxy is named as other
/// programs take it.
Result<masque::ProxyTemplate> hop_of(const std::string& text, masque::Protocol carried);

/// Whether --via-mode goes with --via and --via-http. Error kind usage.
Result<> check_hop_modes(const ClientFlags& flags);

/// The token in the first line of the file that --token-file names, TOKEN or NAME TOKEN as a gateway's file
/// has it. An error where there is none.
Result<std::string> read_token(const std::string& path);

/// Everything that a client's Context refers to.
class ClientSession {
 public:
  /// Errors name the flag and the mend.
  static Result<std::unique_ptr<ClientSession>> make(const ClientFlags& flags);
  /// Completes the qlog files, and says so when they lack something.
  ~ClientSession();

  net::EventLoop& loop() { return loop_; }
  dial::Context& context() { return *context_; }
  const dial::ChainOptions& chain() const { return chain_; }
  /// After `bytes` came and went: what the kernel's limits on UDP buffers cost, where that was much. Once for
  /// each state that the machine is in, where there is a place to remember that it was said.
  void hint_at_small_buffers(std::uint64_t bytes) const;
  /// Keeps tickets and what was learned about origins; says so when it cannot.
  void save_caches();

 private:
  ClientSession() = default;
  Result<> set_up(const ClientFlags& flags);
  Result<> read_hops(const ClientFlags& flags);
  Result<> read_tokens(const ClientFlags& flags);
  static void hint_at_unused_flags(const ClientFlags& flags);
  Result<> open_key_log(const ClientFlags& flags);

  net::EventLoop loop_;
  std::unique_ptr<net::Outbound> outbound_;
  std::shared_ptr<trace::RecorderFactory> recorders_;
  std::shared_ptr<trace::KeyLog> key_log_;
  tls::SessionCache sessions_;
  dial::OriginMemory memory_;
  std::string cache_folder_;
  std::unique_ptr<dial::Context> context_;
  dial::ChainOptions chain_;
};

}  // namespace sallyport::cli
