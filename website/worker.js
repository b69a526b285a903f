// A page that was opened from a disk may not start a Worker, which the search needs. There, this class runs the worker's
// script in a hidden frame instead. Messages are copied and come later, as between a page and a Worker.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => {
        const event = new MessageEvent("message", { data: structuredClone(data) });
        setTimeout(() => {
          if (this.onmessage) this.onmessage(event);
          this.dispatchEvent(event);
        });
      };
      const script = inside.document.createElement("script");
      script.src = new URL(address, location.href).href;
      this.loaded = new Promise((resolve) => {
        script.onload = resolve;
      });
      inside.document.head.append(script);
    }
    postMessage(data) {
      const inside = this.frame.contentWindow;
      const copy = inside.structuredClone(data);
      this.loaded.then(() => setTimeout(() => inside.dispatchEvent(new inside.MessageEvent("message", { data: copy }))));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
