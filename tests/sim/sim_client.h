// SimClient: a client of the simulated network, on one Host: a dial::Chain of hops, and downloads and
// uploads over it.
#pragma once

#include "client/fetch.h"
#include "dial/chain.h"
#include "network.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::sim {

/// What came of one download or upload.
struct Transfer {
  bool done = false;
  std::optional<Error> error;
  std::uint64_t bytes = 0;  ///< that arrived at their end; of a download, so far
  bool intact = false;      ///< all of it came, as it was
  Time started{}, first_byte{}, ended{};
};

class SimClient {
 public:
  struct Options {
    std::vector<std::string> hops;  ///< names of hosts, the nearest first
    quic::Config config;
    http::Limits limits;
    Duration connect_timeout = 10s;
    Duration stall_timeout = 30s;
    tls::SessionCache* sessions = nullptr;
    bool early_data = false;
    dial::HttpChoice http = dial::HttpChoice::h3, hop_http = dial::HttpChoice::h3;
    dial::TunnelMode mode = dial::TunnelMode::automatic;
    std::vector<dial::TunnelMode> hop_modes;  ///< as dial::ChainOptions has them
    std::string token;                        ///< for the hops; empty: none
  };

  SimClient(Network& network, Host& host, Options options);
  ~SimClient();

  /// What is returned lives as long as this.
  const Transfer& download(const std::string& origin, std::uint64_t bytes);
  const Transfer& upload(const std::string& origin, std::uint64_t bytes);
  /// Of something else than content.
  const Transfer& download_path(const std::string& origin, const std::string& path);
  /// All of them are done.
  bool done() const;
  /// Hops first, then origins.
  std::vector<dial::LinkFigures> figures() const { return chain_->figures(); }
  /// Why a connection broke that had stood, hop named.
  const std::optional<Error>& broken() const { return broken_; }

  /// Ends all in order; nothing more is to be begun.
  void shutdown();
  bool is_shut() const { return shut_; }

 private:
  class Work;
  class Download;
  class Upload;
  const Transfer& begin(const std::string& origin, const std::string& path, std::unique_ptr<Work> work);

  Network& network_;
  dial::Context context_;
  const Duration stall_timeout_;
  std::unique_ptr<dial::Chain> chain_;
  std::vector<std::unique_ptr<Work>> works_;  // go before the chain
  std::optional<Error> broken_;
  bool shut_ = false;
};

}  // namespace sallyport::sim
