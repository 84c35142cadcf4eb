// Terminal: SIGHUP means a closed terminal or an operator's reload; this tells which. Used by Gateway.
#pragma once

namespace sallyport::gateway {

class Terminal {
 public:
  /// The controlling terminal of this process. Make it while SIGHUP still has its inherited disposition:
  /// where it is ignored (nohup), the gateway outlives its terminal.
  Terminal();
  /// Whether the gateway ends with a terminal.
  bool matters() const { return matters_; }
  /// Whether the gateway ends with it and it was closed, or lost because its shell ended.
  bool is_gone() const;
  /// It went without a SIGHUP: the gateway outlives it.
  void forget() { matters_ = false; }

 private:
  bool matters_ = false;
};

}  // namespace sallyport::gateway
