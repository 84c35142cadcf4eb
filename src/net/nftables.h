// Nftables: commands to the kernel's packet filter, as nft(8) reads them, by libnftables; for rules that a
// process puts in place for as long as it runs. A table with `flags owner` (Linux 5.12) is this object's
// alone: the kernel removes it with the object, or with the process, however that ends, and no `flush
// ruleset` of a firewall's takes it away.
#pragma once

#include "base/result.h"

#include <memory>
#include <string>

struct nft_ctx;

namespace sallyport::net {

/// Sees and changes the network namespace of the thread that opened it. Calls wait for the kernel's answer,
/// which comes at once. Used by one thread at a time.
class Nftables {
 public:
  static Result<Nftables> open();

  /// Carries out all of `commands`, or none. Errors: what libnftables said first, without the command; kind
  /// denied where the right to do it is missing. Commands are not for text of others: they are not escaped.
  Result<> run(const std::string& commands);
  /// What a command prints, such as `list tables`; errors as above.
  Result<std::string> output_of(const std::string& command);

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  explicit Nftables(std::unique_ptr<nft_ctx, Free> context);

  std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace sallyport::net
