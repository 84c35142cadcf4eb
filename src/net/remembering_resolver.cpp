#include "net/remembering_resolver.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::net {
namespace {

using Addresses = std::vector<IpAddress>;

struct Waiting;

struct Name {
  std::optional<Addresses> addresses;
  std::unique_ptr<Resolution> lookup;  ///< in progress
  std::vector<Waiting*> waiting;
};

/// Answers in a separate turn: the owner may then also cancel other lookups of the same name.
struct Waiting final : Resolution {
  Waiting(Timers& timers, Name& of, Resolver::Answer call)
      : name(of), answer(std::move(call)), turn(timers, [this](Time) {
          const Resolver::Answer last = std::move(answer);
          last(std::move(*result));
        }) {}
  ~Waiting() override { std::erase(name.waiting, this); }

  Name& name;
  Resolver::Answer answer;
  std::optional<Result<Addresses>> result;
  Timer turn;
};

class RememberingResolver final : public Resolver {
 public:
  RememberingResolver(Timers& timers, std::unique_ptr<Resolver> inner)
      : timers_(timers), inner_(std::move(inner)) {}

  std::unique_ptr<Resolution> resolve(const std::string& host, const IpAddress& asker,
                                      Answer answer) override {
    Name& name = names_[host];
    auto waiting = std::make_unique<Waiting>(timers_, name, std::move(answer));
    if (name.addresses) {
      waiting->result = *name.addresses;
      waiting->turn.arm(timers_.now());
      return waiting;
    }
    name.waiting.push_back(waiting.get());
    if (!name.lookup)
      name.lookup = inner_->resolve(
          host, asker, [this, &name](Result<Addresses> result) { answered(name, std::move(result)); });
    return waiting;
  }

 private:
  void answered(Name& name, Result<Addresses> result) {
    const auto keep = std::move(name.lookup);  // lives until this returns
    if (result) name.addresses = *result;
    for (Waiting* waiting : std::exchange(name.waiting, {})) {
      waiting->result = result;
      waiting->turn.arm(timers_.now());
    }
  }

  Timers& timers_;
  std::map<std::string, Name> names_;  // an entry stays where it is
  const std::unique_ptr<Resolver> inner_;
};

}  // namespace

std::unique_ptr<Resolver> make_remembering_resolver(Timers& timers, std::unique_ptr<Resolver> inner) {
  return std::make_unique<RememberingResolver>(timers, std::move(inner));
}

}  // namespace sallyport::net
