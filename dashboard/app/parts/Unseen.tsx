/** The header of a column that needs no words for the eye. */
export const Unseen = (props: { words: string }) => (
  <th>
    <span class="unseen">{props.words}</span>
  </th>
);
