/** A picture that has not changed for so long stands still, in milliseconds. */
const STILL = 500;

/** The video element, with what browsers ask for: a way to start it when it may not start by itself, and sound only when the user wants it. */
export class Player {
  readonly #frame: HTMLElement;
  readonly #video: HTMLVideoElement;
  readonly #play: HTMLButtonElement;
  readonly #mute: HTMLButtonElement;
  readonly #caption: HTMLElement;
  #lastPicture = 0;
  #pictures = 0;
  onstill: ((still: boolean) => void) | undefined;

  constructor(frame: HTMLElement) {
    this.#frame = frame;
    this.#video = find(frame, 'video');
    this.#play = find(frame, '#play');
    this.#mute = find(frame, '#mute');
    this.#caption = find(frame, 'figcaption');
    this.#play.addEventListener('click', () => this.#start());
    this.#mute.addEventListener('click', () => this.#setMuted(!this.#video.muted));
    this.#video.requestVideoFrameCallback(() => this.#picture());
    setInterval(() => this.#count(), 1000);
    setInterval(() => this.#checkStill(), 50);
  }

  show(stream: MediaStream): void {
    this.#video.srcObject = stream;
    this.#start();
  }

  clear(): void {
    this.#video.srcObject = null;
    this.#lastPicture = 0;
    this.#caption.textContent = '';
    this.#frame.classList.remove('still');
  }

  #start(): void {
    this.#play.hidden = true;
    this.#video.play().catch((error: DOMException) => {
      if (error.name === 'NotAllowedError') this.#play.hidden = false;
    });
  }

  #setMuted(muted: boolean): void {
    this.#video.muted = muted;
    this.#mute.ariaPressed = String(muted);
    find(this.#mute, 'span').textContent = muted ? 'Sound is off' : 'Sound is on';
  }

  #picture(): void {
    this.#pictures++;
    if (this.#frame.classList.contains('still')) this.#setStill(false);
    this.#lastPicture = performance.now();
    this.#video.requestVideoFrameCallback(() => this.#picture());
  }

  #count(): void {
    const { videoWidth, videoHeight } = this.#video;
    this.#caption.textContent = this.#pictures > 0 ? `${videoWidth}×${videoHeight}, ${this.#pictures} pictures/s` : '';
    this.#pictures = 0;
  }

  #checkStill(): void {
    if (this.#lastPicture === 0 || document.hidden || this.#frame.classList.contains('still')) return;
    if (performance.now() - this.#lastPicture > STILL) this.#setStill(true);
  }

  #setStill(still: boolean): void {
    this.#frame.classList.toggle('still', still);
    this.onstill?.(still);
  }
}

function find<T extends Element>(root: ParentNode, selector: string): T {
  const element = root.querySelector<T>(selector);
  if (element === null) throw new Error(`the page has no ${selector}`);
  return element;
}
