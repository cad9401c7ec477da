// Volumes: the first voxel that each ray meets, lit from above; as media/volumes.py draws them.
const VIEW = 176;

function render(canvas, bytes, side, turn) {
  const lift = 0.42;
  const radius = (side / 2) * 1.45;
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const right = [cos, 0, sin];
  const ahead = [-sin * Math.cos(lift), Math.sin(lift), cos * Math.cos(lift)];
  const down = [-sin * -Math.sin(lift), Math.cos(lift), cos * -Math.sin(lift)];
  const solid = (x, y, z) => x >= 0 && y >= 0 && z >= 0 && x < side && y < side && z < side && bytes[(z * side + y) * side + x] > 127;
  const soft = (x, y, z) => {
    let sum = 0;
    for (let k = -1; k <= 1; k += 1) for (let j = -1; j <= 1; j += 1) for (let i = -1; i <= 1; i += 1) sum += solid(x + i, y + j, z + k) ? 1 : 0;
    return sum;
  };
  const image = new ImageData(VIEW, VIEW);
  const steps = Math.ceil(radius * 2.3 * 1.5);
  for (let v = 0, to = 0; v < VIEW; v += 1) {
    for (let u = 0; u < VIEW; u += 1, to += 4) {
      const [p, q] = [((u + 0.5) / VIEW * 2 - 1) * radius, ((v + 0.5) / VIEW * 2 - 1) * radius];
      for (let step = 0; step < steps; step += 1) {
        const far = step / 1.5 - radius * 1.15;
        const x = Math.floor(side / 2 + p * right[0] + q * down[0] + far * ahead[0]);
        const y = Math.floor(side / 2 + q * down[1] + far * ahead[1]);
        const z = Math.floor(side / 2 + p * right[2] + q * down[2] + far * ahead[2]);
        if (!solid(x, y, z)) continue;
        const slope = [soft(x - 1, y, z) - soft(x + 1, y, z), soft(x, y - 1, z) - soft(x, y + 1, z), soft(x, y, z - 1) - soft(x, y, z + 1)];
        const length = Math.hypot(...slope) || 1;
        const light = Math.max(0, (slope[0] * -0.35 * cos + slope[1] * -0.85 + slope[2] * -0.4) / length);
        const shade = (0.42 + 0.58 * light) * (1.1 - 0.35 * step / steps);
        image.data[to] = 196 * shade + 30 * light;
        image.data[to + 1] = 138 * shade + 30 * light;
        image.data[to + 2] = 98 * shade + 30 * light;
        image.data[to + 3] = 255;
        break;
      }
    }
  }
  canvas.width = canvas.height = VIEW;
  canvas.getContext("2d").putImageData(image, 0, 0);
}
