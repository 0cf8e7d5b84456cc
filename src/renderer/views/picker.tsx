// Placeholder.
export function Picker({ onClose }: { readonly onClose: () => void }) {
  return <button onClick={onClose}>x</button>;
}
